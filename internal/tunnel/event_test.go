// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// listening is a namespace with events, after a first dump.
func listening(t *testing.T) *kernel {
	t.Helper()
	k := newKernel(t, Options{})
	k.events = true
	k.dump()
	return k
}

// A hard limit ends an association with an event without sequence numbers.
func TestExpired(t *testing.T) {
	k := listening(t)
	sa := k.add(out(1))
	send(sa, 8)
	k.dump()
	send(sa, 2)
	event := *sa
	event.OutSequence, event.InSequence, event.Larval = 0, 0, true
	delete(k.sas, sa.ID)
	k.a.Expired(&event, k, k.now)
	assert.Equal(t, [2]int64{-1, 10}, k.both())
	assert.Zero(t, k.tunnel().Traffic[Outbound].Associations)
}

// Segmented packets have more sequence numbers than the kernel counts packets.
func TestSegmentedPackets(t *testing.T) {
	k := listening(t)
	sa := k.add(out(1))
	sa.Packets, sa.OutSequence = 232, 1510
	k.dump()
	assert.EqualValues(t, 1510, k.tunnel().Traffic[Outbound].Packets)
	sa.Packets, sa.OutSequence = 240, 1600
	k.delete(sa)
	assert.EqualValues(t, 1600, k.tunnel().Traffic[Outbound].Packets)
}

// Sequence numbers without ESN may wrap; hardware counts packets alone.
func TestPacketsOutbound(t *testing.T) {
	for name, c := range map[string]struct {
		before, after xfrmnl.Figures
		want          int64
	}{
		"wrapped":  {xfrmnl.Figures{OutSequence: 0xfffffffe}, xfrmnl.Figures{OutSequence: 3}, 5},
		"ESN":      {xfrmnl.Figures{OutSequence: 0xfffffffe, ESN: true}, xfrmnl.Figures{OutSequence: 0x100000003, ESN: true}, 5},
		"hardware": {xfrmnl.Figures{Packets: 3}, xfrmnl.Figures{Packets: 9}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			sa := k.add(out(1))
			sa.Figures = c.before
			k.dump()
			sa.Figures = c.after
			k.dump()
			assert.Equal(t, c.want, k.tunnel().Traffic[Outbound].Packets)
		})
	}
}

func TestDropsWrap(t *testing.T) {
	k := newKernel(t, Options{})
	sa := k.add(in(1))
	sa.Replay, sa.IntegrityFailed = 0xfffffffe, 0xfffffffe
	k.dump()
	sa.Replay, sa.IntegrityFailed = 3, 3
	k.dump()
	assert.EqualValues(t, 5, k.tunnel().Replay)
	assert.EqualValues(t, 5, k.tunnel().IntegrityFailed)
	sa.Replay, sa.IntegrityFailed = 1, 1 // fell: it began again
	k.dump()
	assert.EqualValues(t, 6, k.tunnel().Replay)
}

// A flush has no figures: what was counted since the last dump is lost.
func TestFlushed(t *testing.T) {
	for protocol, ends := range map[uint8]bool{0: true, 255: true, xfrmnl.ProtocolESP: true, xfrmnl.ProtocolAH: false} {
		k := listening(t)
		sa := k.add(in(1))
		receive(sa, 9)
		k.dump()
		receive(sa, 1)
		k.a.Flushed(protocol, k.now)
		assert.Equal(t, [2]int64{9, -1}, k.both())
		assert.Equal(t, ends, k.tunnel().Traffic[Inbound].Associations == 0, protocol)
	}
}

// After an overrun the next dump tells what ended unseen.
func TestOverrun(t *testing.T) {
	k := listening(t)
	gone, stays := k.add(in(1)), k.add(in(2))
	receive(gone, 3)
	receive(stays, 4)
	k.dump()
	receive(gone, 1)
	delete(k.sas, gone.ID) // its event was lost
	unseen := in(3)
	receive(unseen, 5)
	k.sas[unseen.ID] = unseen // its event, too
	receive(stays, 1)
	k.a.Overrun()
	assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Associations, "it is still the state of the last dump")
	k.dump()
	assert.Equal(t, [2]int64{3 + 5 + 5, -1}, k.both())
	assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Associations)
	assert.EqualValues(t, 3, k.tunnel().Traffic[Inbound].Created)
	assert.Len(t, k.a.associations, 2)
}

// Before the first dump events mean nothing: nobody knows what was counted before.
func TestEventsBeforeTheFirstDump(t *testing.T) {
	k := newKernel(t, Options{})
	k.events = true
	sa := k.add(in(1))
	receive(sa, 5)
	k.dump()
	assert.Equal(t, [2]int64{0, -1}, k.both())
	k.a.Deleted(in(9), k, k.now) // one that is not known
	assert.Equal(t, [2]int64{0, -1}, k.both())
}

// An event that comes while a dump is under way is newer than what the dump says.
func TestEventsDuringADump(t *testing.T) {
	t.Run("ended, and then shown", func(t *testing.T) {
		k := listening(t)
		sa := k.add(in(1))
		receive(sa, 5)
		k.dump()
		stale := *sa
		k.a.BeginDump(k.now, k, true)
		receive(sa, 2)
		k.delete(sa)
		k.a.Row(&stale)
		k.a.EndDump(k.now)
		assert.Equal(t, [2]int64{7, -1}, k.both())
		assert.Zero(t, k.tunnel().Traffic[Inbound].Associations)
	})
	t.Run("shown for the first time, and then ended", func(t *testing.T) {
		k := listening(t)
		sa := in(1)
		receive(sa, 5)
		k.a.BeginDump(k.now, k, true)
		k.a.Row(sa) // before its event was read
		k.a.Added(in(1), k)
		k.a.Deleted(sa, k, k.now)
		k.a.EndDump(k.now)
		assert.Equal(t, [2]int64{5, -1}, k.both())
		assert.Zero(t, k.tunnel().Traffic[Inbound].Associations)
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Created)
	})
	t.Run("added, and not shown", func(t *testing.T) {
		k := listening(t)
		k.a.BeginDump(k.now, k, true)
		sa := k.add(in(1))
		k.a.EndDump(k.now)
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Associations)
		receive(sa, 3)
		k.dump()
		assert.Equal(t, [2]int64{3, -1}, k.both())
	})
	t.Run("added, and shown", func(t *testing.T) {
		k := newKernel(t, Options{})
		k.a.BeginDump(k.now, k, true)
		k.events = true
		sa := k.add(in(1))
		receive(sa, 3)
		k.a.Row(sa)
		k.a.EndDump(k.now)
		k.dump()
		assert.Equal(t, [2]int64{3, -1}, k.both())
	})
}

// The event of an association that the dump lacks may still be under way.
func TestEventAfterTheDump(t *testing.T) {
	k := listening(t)
	sa := k.add(in(1))
	receive(sa, 5)
	k.dump()
	receive(sa, 2)
	delete(k.sas, sa.ID)
	k.dump()
	assert.Zero(t, k.tunnel().Traffic[Inbound].Associations, "it does not exist")
	k.a.Deleted(sa, k, k.now)
	assert.Equal(t, [2]int64{7, -1}, k.both())
	assert.Empty(t, k.a.associations)
}

// One that two dumps lack ended although no event said so.
func TestEndWithoutEvent(t *testing.T) {
	k := listening(t)
	sa := k.add(in(1))
	k.dump()
	delete(k.sas, sa.ID)
	k.dump()
	assert.Len(t, k.a.associations, 1)
	k.dump()
	assert.Empty(t, k.a.associations)
}

// A dump that was not complete ends nothing.
func TestIncompleteDump(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	sa := k.add(in(1))
	receive(sa, 1)
	k.dump()
	start := k.tunnel().Start
	k.now = k.now.Add(time.Second)
	k.a.BeginDump(k.now, k, false)
	k.dump()
	assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Associations)
	assert.Equal(t, start, k.tunnel().Start)
}

// An update of the clock by the kernel moves the time of adding.
func TestTimeOfAddingMoves(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	sa := k.add(in(1))
	receive(sa, 5)
	k.dump()
	sa.Added += 1000
	receive(sa, 1)
	k.dump()
	assert.Equal(t, [2]int64{6, -1}, k.both())
}
