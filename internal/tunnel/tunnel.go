// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"container/list"
	"net/netip"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Key is what all security associations of a tunnel have in common, and what
// survives a rekey. No part of it identifies a tunnel alone.
type Key struct {
	// Local and Peer are the outer addresses, the same for both directions.
	Local, Peer netip.Addr
	// Protocol is ESP, AH or IPComp, Mode is XFRM_MODE_*.
	Protocol, Mode uint8
	ReqID, IfID    uint32
	Mark, MarkMask uint32
}

// Direction is that of the packets that a security association handles.
type Direction int

// The directions. Unknown is one that nothing tells.
const (
	Unknown Direction = iota
	Inbound
	Outbound
	directions
)

// Tunnel is a group of security associations and what they have counted since
// Start, those that have ended included.
type Tunnel struct {
	Key
	// Overflow says that this stands for all tunnels beyond the limit. Key is
	// then empty.
	Overflow bool
	// Interface is the name of the tunnel's xfrm or vti interface, or empty.
	Interface string
	// Start is since when the sums count.
	Start time.Time
	// Traffic is nil for a direction that the tunnel never had.
	Traffic [directions]*Traffic
	// Replay, ReplayWindow and IntegrityFailed are the inbound packets that were
	// dropped (struct xfrm_stats in include/uapi/linux/xfrm.h).
	Replay, ReplayWindow, IntegrityFailed int64
	// Sequence is the highest share of the sequence numbers that an association
	// has used, from 0 to 1. HasSequence is false without associations that
	// number their packets.
	Sequence    float64
	HasSequence bool

	// living is how many associations are remembered. If there are none, emptySince
	// is when the last one ended, and empty is the place among such tunnels.
	living     int
	emptySince time.Time
	empty      *list.Element
}

// Traffic is what the associations of one direction have counted.
type Traffic struct {
	// Bytes and Packets are those of the inner packets.
	Bytes, Packets int64
	// Created is how many associations were added.
	Created int64
	// Associations is how many there are now. The following are not valid if
	// there are none.
	Associations int64
	// Age is that of the newest, in seconds.
	Age float64
	// Lifetime is the highest share of its limits that the newest has used, from
	// 0 to 1. HasLifetime is false if it has no limits.
	Lifetime    float64
	HasLifetime bool
	// LastUsed is when the last packet was seen, in seconds of Unix time; 0 if
	// the kernel does not tell. It is valid without associations too.
	LastUsed uint64

	newest *association
}

// isKnown reports whether the tunnel has had a direction that was known.
func (t *Tunnel) isKnown() bool { return t.Traffic[Inbound] != nil || t.Traffic[Outbound] != nil }

// KeyOf returns the key of the tunnel that an association belongs to. For an
// unknown direction the source counts as local.
func KeyOf(sa *xfrmnl.SA, d Direction) Key {
	local, peer := sa.Source, sa.Destination
	if d == Inbound {
		local, peer = peer, local
	}
	return Key{
		Local: local, Peer: peer, Protocol: sa.Protocol, Mode: sa.Mode,
		ReqID: sa.ReqID, IfID: sa.IfID, Mark: sa.Mark, MarkMask: sa.MarkMask,
	}
}

// belongs reports whether an association makes a tunnel. The kernel adds others:
// larval ones, and one of IP in IP for each of IPComp.
func belongs(sa *xfrmnl.SA) bool {
	switch sa.Protocol {
	case xfrmnl.ProtocolESP, xfrmnl.ProtocolAH, xfrmnl.ProtocolIPComp:
		return !sa.Larval
	default:
		return false
	}
}
