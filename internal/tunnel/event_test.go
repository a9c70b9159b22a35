// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"net/netip"
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
		"set back": {xfrmnl.Figures{OutSequence: 9, ESN: true}, xfrmnl.Figures{OutSequence: 3, ESN: true}, 3},
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
	sa.Replay = 3_000_000_001
	k.dump()
	assert.Equal(t, int64(3_000_000_006), k.tunnel().Replay)
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

// When events were lost, dumps tell what ended unseen.
func TestLostEvents(t *testing.T) {
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
	k.dump()
	assert.Equal(t, [2]int64{3 + 5 + 5, -1}, k.both())
	assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Associations)
	assert.EqualValues(t, 3, k.tunnel().Traffic[Inbound].Created)
	k.dump()
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
	t.Run("shown for the first time, and then added", func(t *testing.T) {
		k := listening(t)
		k.a.BeginDump(k.now, k, true)
		sa := in(1)
		k.a.Row(sa)
		k.add(sa)
		k.a.EndDump(k.now)
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Created)
		assert.Equal(t, 1, k.tunnel().living)
	})
	t.Run("ended during the first dump, and then shown", func(t *testing.T) {
		k := newKernel(t, Options{})
		k.a.BeginDump(k.now, k, true)
		k.a.Deleted(in(1), k, k.now)
		k.a.Row(in(1))
		k.a.EndDump(k.now)
		assert.Empty(t, k.a.associations)
	})
	t.Run("flushed, and then shown", func(t *testing.T) {
		k := listening(t)
		sa := in(1)
		sa.ReqID = 0
		receive(k.add(sa), 5)
		k.dump()
		k.a.BeginDump(k.now, k, true)
		k.a.Flushed(0, k.now)
		k.a.Row(sa)
		k.a.EndDump(k.now)
		assert.Equal(t, [2]int64{5, -1}, k.both())
		assert.Empty(t, k.a.associations)
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
	k.add(sa)
	k.dump()
	delete(k.sas, sa.ID)
	k.dump()
	assert.Len(t, k.a.associations, 1, "it was shown in between")
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

// A dump can show what is newer than the events that have been read.
func TestDumpAheadOfEvents(t *testing.T) {
	t.Run("deleted and added again", func(t *testing.T) {
		k := listening(t)
		sa := k.add(in(1))
		receive(sa, 10)
		sa.FirstUsed = 1
		k.dump()
		receive(sa, 2)
		again := in(1)
		again.Added, again.FirstUsed = sa.Added+5, 6
		receive(again, 3)
		k.sas[sa.ID] = again
		k.dump()
		assert.Equal(t, [2]int64{10, -1}, k.both())
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Associations)
		k.a.Deleted(sa, k, k.now)
		initial := in(1)
		initial.Added = again.Added
		k.a.Added(initial, k)
		k.dump()
		assert.Equal(t, [2]int64{15, -1}, k.both())
		assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Created)
	})
	t.Run("moved, with the same identity", func(t *testing.T) {
		k := listening(t)
		before := k.add(out(1))
		send(before, 10)
		k.dump()
		after := *before
		after.Source = moved
		initial := after
		send(&after, 3)
		k.sas[after.ID] = &after
		k.dump()
		k.a.Deleted(before, k, k.now)
		k.a.Added(&initial, k)
		k.dump()
		assert.EqualValues(t, 13, k.sum())
	})
	t.Run("without any event", func(t *testing.T) {
		k := listening(t)
		sa := k.add(in(1))
		receive(sa, 10)
		sa.FirstUsed = 1
		k.dump()
		again := in(1)
		again.FirstUsed = 2
		receive(again, 3)
		k.sas[sa.ID] = again
		k.dump()
		k.dump()
		assert.Equal(t, [2]int64{13, -1}, k.both())
		// The event of the first comes late all the same.
		k.a.Deleted(sa, k, k.now)
		assert.Equal(t, [2]int64{13, -1}, k.both())
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Associations)
	})
	t.Run("one doubt is forgotten", func(t *testing.T) {
		k := listening(t)
		sa := k.add(in(1))
		receive(sa, 10)
		k.dump()
		k.a.BeginDump(k.now, k, true)
		k.a.Row(in(1))
		k.a.EndDump(k.now)
		k.dump()
		k.a.BeginDump(k.now, k, true)
		k.a.Row(in(1))
		k.a.EndDump(k.now)
		k.dump()
		assert.Equal(t, [2]int64{10, -1}, k.both())
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Created)
	})
}

// While an association migrates, a dump may show it twice, the newer first.
func TestShownTwice(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	before := k.add(out(1))
	send(before, 10)
	k.dump()
	after := *before
	after.Source = moved
	send(&after, 3)
	for range 2 {
		k.a.BeginDump(k.now, k, false)
		k.a.Row(&after)
		k.a.Row(before)
		k.a.EndDump(k.now)
	}
	assert.EqualValues(t, 13, k.sum())
}

// What moved has no drops at first. A row that is older than its end is not it.
func TestMoveToAnotherDestination(t *testing.T) {
	destination := netip.MustParseAddr("192.0.2.9")
	for name, c := range map[string]struct{ packets, drops, wantPackets, wantDrops uint64 }{
		"its drops begin again": {packets: 12, drops: 6, wantPackets: 12, wantDrops: 11},
		"an older row":          {packets: 9, drops: 4, wantPackets: 10, wantDrops: 5},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.local[destination] = true
			k.dump()
			sa := k.add(in(1))
			receive(sa, 10)
			sa.Replay = 5
			k.dump()
			k.delete(sa)
			after := *sa
			after.Destination = destination
			after.Packets, after.Bytes, after.Replay = c.packets, 100*c.packets, uint32(c.drops)
			k.add(&after)
			k.dump()
			assert.EqualValues(t, c.wantPackets, k.sum())
			drops := int64(0)
			created := int64(0)
			for _, one := range k.tunnels() {
				drops += one.Replay
				created += one.Traffic[Inbound].Created
			}
			assert.EqualValues(t, c.wantDrops, drops)
			assert.EqualValues(t, 1, created)
		})
	}
}

// Of several that look alike, as Cilium's do, one has moved.
func TestOneMoves(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	sa := k.add(out(1))
	send(sa, 10)
	k.dump()
	k.delete(sa)
	for _, address := range []string{"192.0.2.8", "192.0.2.9"} {
		other := *sa
		other.Destination = netip.MustParseAddr(address)
		send(&other, 1)
		k.add(&other)
	}
	k.dump()
	assert.EqualValues(t, 10+1+11, k.sum())
}

// The end by a hard limit has no sequence numbers, so it does not tell that the
// packets were received.
func TestUnknownDirectionExpires(t *testing.T) {
	k := listening(t)
	k.local = nil
	sa := k.add(out(1))
	k.dump()
	send(sa, 4)
	event := *sa
	event.OutSequence = 0
	k.a.Expired(&event, k, k.now)
	assert.Nil(t, k.tunnel().Traffic[Inbound])
}

// More ends during one dump than are remembered: it is as if it had failed.
func TestEndsDuringADumpAreBounded(t *testing.T) {
	k := listening(t)
	sa := in(1)
	sa.ReqID = 0
	k.add(sa)
	receive(sa, 5)
	k.dump()
	k.a.BeginDump(k.now, k, true)
	for spi := range uint32(MaxAssociations) {
		k.a.Deleted(in(spi+10), k, k.now)
	}
	assert.Len(t, k.a.ignored, MaxAssociations)
	receive(sa, 2)
	k.delete(sa)
	assert.LessOrEqual(t, len(k.a.ignored), MaxAssociations)
	k.a.Row(sa)
	k.a.EndDump(k.now)
	assert.Equal(t, [2]int64{7, -1}, k.both())
	k.dump()
	assert.Equal(t, [2]int64{7, -1}, k.both())
	assert.Zero(t, k.tunnel().Traffic[Inbound].Associations)
}

// What was not known, and has counted when it is added, has moved here.
func TestAddedWithCounters(t *testing.T) {
	k := listening(t)
	sa := in(1)
	receive(sa, 20)
	k.add(sa)
	receive(sa, 3)
	k.dump()
	assert.Equal(t, [2]int64{3, -1}, k.both())
	assert.Zero(t, k.tunnel().Traffic[Inbound].Created)
}

// One that was completed, and ended before a dump could show it, counts.
func TestShortLife(t *testing.T) {
	k := listening(t)
	k.a.Updated(in(1), k)
	sa := in(1)
	receive(sa, 3)
	sa.LastUsed = 77
	k.a.Deleted(sa, k, k.now)
	assert.Equal(t, [2]int64{3, -1}, k.both())
	assert.EqualValues(t, 77, k.tunnel().Traffic[Inbound].LastUsed)
}

// Each of the figures tells that another association has the identity.
func TestAnother(t *testing.T) {
	before := in(1)
	before.Figures, before.FirstUsed = xfrmnl.Figures{Bytes: 100, Packets: 2}, 1
	for name, c := range map[string]struct {
		change  func(*xfrmnl.SA)
		created int64
	}{
		"the same":         {func(*xfrmnl.SA) {}, 1},
		"fewer bytes":      {func(sa *xfrmnl.SA) { sa.Bytes-- }, 2},
		"fewer packets":    {func(sa *xfrmnl.SA) { sa.Packets-- }, 2},
		"first used later": {func(sa *xfrmnl.SA) { sa.FirstUsed++ }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.dump()
			sa := *before
			k.add(&sa)
			k.dump()
			c.change(&sa)
			k.dump()
			assert.Equal(t, c.created, k.tunnel().Traffic[Inbound].Created)
		})
	}
}

// Migrated there and back again, between dumps, without events.
func TestMigrateBack(t *testing.T) {
	k := listening(t)
	k.local[moved] = true
	sa := in(1)
	k.add(sa)
	receive(sa, 10)
	k.dump()
	for _, address := range []netip.Addr{moved, here, moved} {
		delete(k.sas, sa.ID)
		sa.Destination = address
		receive(sa, 1)
		k.sas[sa.ID] = sa
		k.dump()
	}
	assert.EqualValues(t, 13, k.sum())
}

// What moved away left its identity to another association.
func TestIdentityOfMovedIsUsedAgain(t *testing.T) {
	k := listening(t)
	sa := k.add(in(1))
	k.dump()
	k.delete(sa)
	again := in(1)
	again.Added++
	k.add(again)
	after := *sa
	after.Destination = moved
	k.sas[after.ID] = &after // its event was lost
	k.dump()
	assert.Len(t, k.a.associations, 2)
}

// An association that has both ends here numbers packets and receives them.
func TestPacketsInbound(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	sa := in(1)
	sa.Direction, sa.Packets, sa.OutSequence = xfrmnl.DirectionIn, 3, 5
	k.add(sa)
	k.dump()
	assert.EqualValues(t, 3, k.tunnel().Traffic[Inbound].Packets)
}
