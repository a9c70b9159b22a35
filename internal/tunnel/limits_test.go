// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// withReqID is an inbound association of another tunnel.
func withReqID(reqid uint32) *xfrmnl.SA {
	sa := in(reqid)
	sa.ReqID = reqid
	return sa
}

// A tunnel without associations stays, with its sums, until it is forgotten.
func TestForget(t *testing.T) {
	k := newKernel(t, Options{ForgetAfter: time.Minute})
	k.dump()
	sa := k.add(in(1))
	receive(sa, 5)
	k.dump()
	start := k.tunnel().Start
	k.delete(sa)
	for range 6 {
		k.dump()
		assert.Equal(t, [2]int64{5, -1}, k.both())
		assert.Zero(t, k.tunnel().Traffic[Inbound].Associations)
	}
	receive(k.add(in(2)), 1) // it comes back in time
	k.dump()
	assert.Equal(t, [2]int64{6, -1}, k.both())
	assert.Equal(t, start, k.tunnel().Start)
	k.delete(in(2))
	for range 8 {
		k.dump()
	}
	assert.Empty(t, k.tunnels())
	before := k.now
	receive(k.add(in(3)), 1)
	k.dump()
	assert.Equal(t, [2]int64{1, -1}, k.both())
	assert.Equal(t, before, k.tunnel().Start)
}

// Beyond the limit those without associations go first, then one takes the rest.
func TestTunnelLimit(t *testing.T) {
	k := newKernel(t, Options{Limit: 2})
	k.dump()
	first, second := k.add(withReqID(1)), k.add(withReqID(2))
	k.dump()
	k.delete(first)
	k.dump()
	k.add(withReqID(3))
	k.dump()
	reqids := map[uint32]bool{}
	for _, one := range k.tunnels() {
		reqids[one.ReqID] = true
		assert.False(t, one.Overflow)
	}
	assert.Equal(t, map[uint32]bool{2: true, 3: true}, reqids)
	tunnels, _ := k.a.Full()
	assert.False(t, tunnels)

	fourth, fifth := k.add(withReqID(4)), k.add(withReqID(5))
	receive(fourth, 4)
	receive(fifth, 5)
	k.dump()
	overflow := k.overflow()
	assert.EqualValues(t, 9, overflow.Traffic[Inbound].Packets)
	assert.EqualValues(t, 2, overflow.Traffic[Inbound].Associations)
	assert.Equal(t, Key{}, overflow.Key)
	tunnels, _ = k.a.Full()
	assert.True(t, tunnels)

	// The sums never fall; with room again, what is new has a tunnel of its own.
	k.delete(fourth)
	k.delete(second)
	receive(fifth, 1)
	k.dump()
	k.add(withReqID(6))
	k.dump()
	overflow = k.overflow()
	assert.EqualValues(t, 10, overflow.Traffic[Inbound].Packets)
	assert.EqualValues(t, 1, overflow.Traffic[Inbound].Associations)
	assert.Len(t, k.a.tunnels, 2)
	k.delete(fifth)
	k.dump()
	assert.EqualValues(t, 10, k.overflow().Traffic[Inbound].Packets)
	tunnels, _ = k.a.Full()
	assert.False(t, tunnels)
	k.add(withReqID(7))
	k.dump()
	assert.Len(t, k.a.tunnels, 2)
	assert.EqualValues(t, 1, k.overflow().Traffic[Inbound].Associations)
}

// overflow returns the tunnel that stands for the others, which is the last.
func (k *kernel) overflow() Tunnel {
	k.t.Helper()
	all := k.tunnels()
	require.True(k.t, all[len(all)-1].Overflow)
	return all[len(all)-1]
}

// Of those without associations the one that was left first goes.
func TestEvictTheOldest(t *testing.T) {
	k := newKernel(t, Options{Limit: 3})
	k.dump()
	for _, reqid := range []uint32{1, 2, 3} {
		k.add(withReqID(reqid))
	}
	k.dump()
	for _, reqid := range []uint32{2, 3, 1} {
		k.delete(withReqID(reqid))
		k.dump()
	}
	k.add(withReqID(4))
	k.dump()
	reqids := map[uint32]bool{}
	for _, one := range k.tunnels() {
		reqids[one.ReqID] = true
	}
	assert.Equal(t, map[uint32]bool{1: true, 3: true, 4: true}, reqids)
}

// One that made way and comes back in the same interval is a new series, which must
// not begin before the last point of the old one.
func TestEvictedTunnelComesBack(t *testing.T) {
	k := newKernel(t, Options{Limit: 1})
	k.events = true
	k.dump()
	first := k.add(withReqID(1))
	k.dump()
	k.delete(first)
	k.now = k.now.Add(5 * time.Second) // other namespaces were read meanwhile
	reported := k.now
	k.tunnels()
	k.delete(k.add(withReqID(2)))
	k.add(withReqID(1))
	k.dump()
	assert.EqualValues(t, 1, k.tunnel().ReqID)
	assert.Equal(t, reported, k.tunnel().Start)
}

// No flood fills the memory, and what was not remembered is not counted in full
// when there is room for it.
func TestAssociationLimit(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	for spi := range uint32(MaxAssociations) {
		k.add(in(spi + 1))
	}
	k.dump()
	_, associations := k.a.Full()
	assert.False(t, associations)
	late := k.add(in(MaxAssociations + 1))
	receive(late, 1000)
	k.dump()
	_, associations = k.a.Full()
	assert.True(t, associations)
	assert.Len(t, k.a.associations, MaxAssociations)
	assert.EqualValues(t, MaxAssociations, k.tunnel().Traffic[Inbound].Associations)
	for spi := range uint32(10) {
		k.delete(in(spi + 1))
	}
	k.dump() // it removes those, after late found no room
	k.dump()
	assert.Zero(t, k.tunnel().Traffic[Inbound].Packets)
	receive(late, 3)
	k.dump()
	assert.EqualValues(t, 3, k.tunnel().Traffic[Inbound].Packets)
	_, associations = k.a.Full()
	assert.False(t, associations)

	k.a.Added(in(MaxAssociations+100), k)
	for spi := range uint32(2 * MaxAssociations) {
		k.a.Added(in(spi+10*MaxAssociations), k)
	}
	assert.Len(t, k.a.associations, MaxAssociations)
	assert.LessOrEqual(t, len(k.a.ended), MaxAssociations)
}

// One dump shows more new associations than are remembered.
func TestRowsAreBounded(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	k.a.BeginDump(k.now, k, false)
	for spi := range uint32(MaxAssociations + 1) {
		k.a.Row(in(spi))
	}
	assert.Len(t, k.a.fresh, MaxAssociations)
	k.a.EndDump(k.now)
	_, associations := k.a.Full()
	assert.True(t, associations)
}

// More associations end between two dumps than are remembered.
func TestEndsAreBounded(t *testing.T) {
	k := listening(t)
	for spi := range uint32(MaxAssociations + 1) {
		k.a.Added(in(spi), k)
		k.a.Deleted(in(spi), k, k.now)
	}
	assert.Len(t, k.a.ended, MaxAssociations)
}

// Figures are whatever a daemon has set. The sums stay at their largest value.
func TestLargestSum(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	for spi := range uint32(3) {
		sa := k.add(out(spi + 1))
		sa.Bytes, sa.Packets, sa.OutSequence, sa.ESN = math.MaxUint64, math.MaxUint64, math.MaxUint64, true
	}
	k.dump()
	got := k.tunnel().Traffic[Outbound]
	assert.Equal(t, int64(math.MaxInt64), got.Bytes)
	assert.Equal(t, int64(math.MaxInt64), got.Packets)
}

// What is held for each association, and for each that has ended.
func TestMemory(t *testing.T) {
	const associations = 10_000
	k := newKernel(t, Options{})
	for spi := range uint32(associations) {
		sa := in(spi)
		sa.ReqID = 1 + spi%50
		k.add(sa)
	}
	before := memory()
	k.dump()
	k.dump()
	held := memory() - before
	assert.LessOrEqual(t, held/associations, uint64(300))
	sas := k.sas
	k.sas = nil
	for range 3 {
		k.dump()
	}
	assert.LessOrEqual(t, int64(memory()-before)/associations, int64(100), "only an empty map is left")
	runtime.KeepAlive(k)
	runtime.KeepAlive(sas)
}

func memory() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
