// SPDX-License-Identifier: Apache-2.0

package tunnel

import "github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"

// directionOf tells the direction of an association that is new: what the kernel
// says, else what was said of its tunnel before, else which of its addresses is
// local, else who numbers the packets. An address that is dropped later must not
// turn a tunnel around, hence the second rule.
func (a *Accumulator) directionOf(sa *xfrmnl.SA, host Host) Direction {
	if sa.Direction == xfrmnl.DirectionUnset {
		if in, out := a.had(sa, Inbound), a.had(sa, Outbound); in != out {
			return oneOf(in)
		}
	}
	return DirectionOf(sa, host)
}

// DirectionOf tells the direction of an association without knowing its tunnel.
func DirectionOf(sa *xfrmnl.SA, host Host) Direction {
	switch sa.Direction {
	case xfrmnl.DirectionIn:
		return Inbound
	case xfrmnl.DirectionOut:
		return Outbound
	}
	if in, out := host.IsLocal(sa.Destination), host.IsLocal(sa.Source); in != out {
		return oneOf(in)
	}
	switch {
	case sa.OutSequence > 0:
		return Outbound
	case sa.InSequence > 0:
		return Inbound
	case sa.Packets > 0 && sa.Protocol != xfrmnl.ProtocolIPComp:
		return Inbound // outbound, the packets would have numbers
	default:
		return Unknown
	}
}

// had reports whether the tunnel of an association has had this direction.
func (a *Accumulator) had(sa *xfrmnl.SA, d Direction) bool {
	t := a.tunnels[KeyOf(sa, d)]
	return t != nil && t.Traffic[d] != nil
}

func oneOf(inbound bool) Direction {
	if inbound {
		return Inbound
	}
	return Outbound
}
