// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

func TestDirection(t *testing.T) {
	for name, c := range map[string]struct {
		local  []netip.Addr
		change func(*xfrmnl.SA)
		want   Direction
	}{
		"destination local":        {[]netip.Addr{here}, func(*xfrmnl.SA) {}, Inbound},
		"source local":             {[]netip.Addr{there}, func(*xfrmnl.SA) {}, Outbound},
		"neither":                  {nil, func(*xfrmnl.SA) {}, Unknown},
		"both":                     {[]netip.Addr{here, there}, func(*xfrmnl.SA) {}, Unknown},
		"the kernel says in":       {[]netip.Addr{there}, func(sa *xfrmnl.SA) { sa.Direction = xfrmnl.DirectionIn }, Inbound},
		"the kernel says out":      {[]netip.Addr{here}, func(sa *xfrmnl.SA) { sa.Direction = xfrmnl.DirectionOut }, Outbound},
		"numbers sent":             {nil, func(sa *xfrmnl.SA) { sa.OutSequence = 1 }, Outbound},
		"numbers received":         {nil, func(sa *xfrmnl.SA) { sa.InSequence = 1 }, Inbound},
		"packets without numbers":  {nil, func(sa *xfrmnl.SA) { sa.Packets = 1 }, Inbound},
		"IPComp numbers nothing":   {nil, func(sa *xfrmnl.SA) { sa.Packets, sa.Protocol = 1, xfrmnl.ProtocolIPComp }, Unknown},
		"addresses before numbers": {[]netip.Addr{here}, func(sa *xfrmnl.SA) { sa.OutSequence = 1 }, Inbound},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.local = map[netip.Addr]bool{}
			for _, address := range c.local {
				k.local[address] = true
			}
			sa := in(1)
			c.change(sa)
			k.add(sa)
			k.dump()
			one := k.tunnel()
			for d, traffic := range one.Traffic {
				assert.Equal(t, Direction(d) == c.want, traffic != nil)
			}
			if c.want == Inbound {
				assert.Equal(t, here, one.Local)
				assert.Equal(t, there, one.Peer)
			} else {
				assert.Equal(t, there, one.Local)
				assert.Equal(t, here, one.Peer)
			}
		})
	}
}

// An address that is dropped does not turn a tunnel around.
func TestDirectionIsKept(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	old := k.add(in(1))
	k.dump()
	k.delete(old)
	k.local = map[netip.Addr]bool{there: true}
	receive(k.add(in(2)), 3)
	k.dump()
	assert.Equal(t, [2]int64{3, -1}, k.both())
}

// Addresses are asked for only when the tunnel is new, and nothing else tells.
func TestQuestions(t *testing.T) {
	k := newKernel(t, Options{})
	k.add(in(1))
	k.dump()
	assert.NotZero(t, k.asked)
	k.asked = 0
	k.add(in(2))
	k.dump()
	told := out(3)
	told.Direction, told.ReqID = xfrmnl.DirectionOut, 9
	k.add(told)
	k.dump()
	assert.Zero(t, k.asked)
}

// While the direction is unknown the figures are zero. All that was counted since
// the beginning is added once it is known.
func TestUnknownDirectionIsSettled(t *testing.T) {
	k := newKernel(t, Options{})
	k.local = map[netip.Addr]bool{}
	k.dump()
	sa := k.add(in(1))
	k.dump()
	require.NotNil(t, k.tunnel().Traffic[Unknown])
	assert.Equal(t, Traffic{Associations: 1, Age: 20}, *k.tunnel().Traffic[Unknown])
	receive(sa, 6)
	k.dump()
	assert.Equal(t, [2]int64{6, -1}, k.both())
	one := k.tunnel()
	assert.Equal(t, 1, one.living)
	assert.Nil(t, one.Traffic[Unknown])
	assert.EqualValues(t, 1, one.Traffic[Inbound].Created)
	assert.Equal(t, here, one.Local)
}

// The first answer may come with the end.
func TestUnknownDirectionIsSettledAtTheEnd(t *testing.T) {
	k := listening(t)
	k.local = map[netip.Addr]bool{}
	sa := k.add(in(1))
	k.dump()
	receive(sa, 6)
	k.delete(sa)
	assert.Equal(t, [2]int64{6, -1}, k.both())
}

// Both ends are addresses of this namespace: one tunnel has what is not known yet,
// and what is.
func TestUnknownBesideKnown(t *testing.T) {
	k := newKernel(t, Options{})
	k.local[there] = true
	k.dump()
	first, second := k.add(out(1)), k.add(out(2))
	second.Direction = xfrmnl.DirectionOut
	k.dump()
	one := k.tunnel()
	assert.NotNil(t, one.Traffic[Outbound])
	k.delete(first)
	k.dump()
	assert.Nil(t, k.tunnel().Traffic[Unknown])
}

// The sums of a tunnel whose direction becomes known count since the association
// was found.
func TestStartOfSettledTunnel(t *testing.T) {
	k := newKernel(t, Options{})
	k.local = nil
	sa := k.add(in(1))
	k.dump()
	start := k.now
	k.dump()
	receive(sa, 6)
	k.dump()
	assert.Equal(t, [2]int64{6, -1}, k.both())
	assert.Equal(t, start, k.tunnel().Start)
}

// One of unknown direction beside others is not shown, and then shown again.
func TestUnknownIsShownAgain(t *testing.T) {
	k := listening(t)
	k.local[there] = true
	outbound, inbound, unknown := out(1), out(2), out(3)
	outbound.Direction, inbound.Direction = xfrmnl.DirectionOut, xfrmnl.DirectionIn
	for _, sa := range []*xfrmnl.SA{outbound, inbound, unknown} {
		k.add(sa)
	}
	traffic := func() *Traffic {
		for _, one := range k.tunnels() {
			if one.Local == here {
				return one.Traffic[Unknown]
			}
		}
		return nil
	}
	k.dump()
	assert.EqualValues(t, 1, traffic().Associations)
	delete(k.sas, unknown.ID)
	k.dump()
	assert.Nil(t, traffic())
	k.sas[unknown.ID] = unknown
	k.dump()
	assert.EqualValues(t, 1, traffic().Associations)
}

// A tunnel that keeps its sums does not go with one of unknown direction.
func TestUnknownLeavesKnown(t *testing.T) {
	k := listening(t)
	k.local[there] = true
	outbound, inbound, unknown := out(1), out(2), out(3)
	outbound.Direction, inbound.Direction = xfrmnl.DirectionOut, xfrmnl.DirectionIn
	for _, sa := range []*xfrmnl.SA{outbound, inbound, unknown} {
		k.add(sa)
	}
	k.dump()
	k.delete(outbound)
	unknown.InSequence = 1
	k.dump()
	assert.Len(t, k.tunnels(), 2)
}

// One whose direction nothing ever told is still reported after its end.
func TestUnknownEnds(t *testing.T) {
	k := newKernel(t, Options{})
	k.local = nil
	sa := k.add(in(1))
	k.dump()
	k.delete(sa)
	k.dump()
	assert.Equal(t, &Traffic{}, k.tunnel().Traffic[Unknown])
}

// Directions become known beyond the limit, too.
func TestUnknownBeyondTheLimit(t *testing.T) {
	for _, room := range []bool{false, true} {
		k := newKernel(t, Options{Limit: 1})
		k.dump()
		first := k.add(withReqID(1))
		k.dump()
		k.local = nil
		sa := k.add(withReqID(2))
		k.dump()
		if room { // for a tunnel of its own
			k.delete(first)
			k.dump()
		}
		receive(sa, 3)
		k.dump()
		assert.EqualValues(t, 3, k.sum())
		assert.Equal(t, room, k.overflow().Traffic[Inbound] == nil)
	}
}
