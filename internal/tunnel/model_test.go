// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// FuzzAccumulator plays a kernel whose associations come, count, move and go as
// the script says, and compares the sums with what was counted in truth.
func FuzzAccumulator(f *testing.F) {
	f.Add([]byte{1, 2, opAdd, 0, opTraffic, 3, opRead, 9, opTraffic, 5, opDelete, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if err := play(script); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRandomKernel(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 15)) // repeatable
		script := make([]byte, 20+random.IntN(300))
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		if err := play(script); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// The steps of a script. Each has an argument.
const (
	opAdd = iota
	opTraffic
	opMoreTraffic
	opDrop
	opSegment
	opDelete
	opDeleteAndAdd
	opExpire
	opMove
	opUpdate
	opAllocate
	opComplete
	opDeliver
	opRead
	opReadMore
	opEnd
	opFail
	// Exact sums cannot be had with these.
	opMigrate
	opFlush
	opOverrun
	ops
)

// association of the model: one object from its addition until its end, whatever
// its identity.
type modelSA struct {
	xfrmnl.SA
	// base are the figures that do not count.
	base xfrmnl.Figures
	// shown are the figures when a complete dump showed it last.
	shown xfrmnl.Figures
	// drops are those that a move has reset.
	drops uint32
	// hidden says that it moved, and that nothing has shown it since. Of one that
	// moves again then, little is known.
	hidden bool
}

var far = netip.MustParseAddr("192.0.2.4")

func isLocal(a netip.Addr) bool { return a == here || a == moved }

func (sa *modelSA) isOutbound() bool { return isLocal(sa.Source) }

type model struct {
	err       error
	a         *Accumulator
	now       time.Time
	spi       uint32
	events    bool
	lossy     bool
	living    []*modelSA // newest first, as the kernel dumps them
	ended     []*modelSA
	queue     []func()
	late      bool // the last event is not in the socket yet
	exact     bool // nothing happened that cannot be followed exactly
	exactDrop bool
	created   int64

	// The dump that is under way: what is still to be read, and the rows that were
	// read and not yet passed on.
	dumping bool
	left    []*modelSA
	rows    []xfrmnl.SA
	read    map[*modelSA]modelSA
	last    sums
}

func (m *model) IsLocal(a netip.Addr) bool { return isLocal(a) }
func (*model) InterfaceOf(Key) string      { return "" }

// play returns what was wrong first.
func play(script []byte) error {
	if len(script) < 2 {
		return nil
	}
	script = script[:min(len(script), 1000)]
	m := &model{a: New(Options{}), now: begin, events: script[0]&1 != 0, exact: true, exactDrop: true}
	m.lossy = script[0]&2 != 0
	before := 2 * int(script[1]%16)
	script = script[2:]
	for i := 0; i+1 < len(script) && m.err == nil; i += 2 {
		if i == before {
			m.firstDump()
		}
		op, argument := int(script[i])%ops, int(script[i+1])
		if op < opMigrate || m.lossy {
			m.now = m.now.Add(time.Second)
			m.step(op, argument)
			m.check()
		}
	}
	if m.read == nil {
		m.firstDump()
	}
	m.finish()
	return m.err
}

func (m *model) fail(format string, arguments ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, arguments...)
	}
}

func (m *model) firstDump() {
	m.begin()
	m.end()
	for _, sa := range m.living {
		sa.base = sa.Figures
		sa.drops = 0
	}
	m.ended, m.created, m.exact, m.exactDrop = nil, 0, m.events, m.events
}

func (m *model) step(op, n int) {
	var sa *modelSA
	if len(m.living) > 0 {
		sa = m.living[n%len(m.living)]
	}
	switch op {
	case opAdd:
		m.add(m.fresh(n))
		return
	case opAllocate:
		larval := m.fresh(n)
		larval.Larval, larval.ReqID = true, 0
		m.insert(larval)
		return
	case opDeliver:
		m.deliver(n % 4)
		return
	case opRead, opReadMore:
		if m.read != nil { // the first dump is one by itself
			m.readRows(1 + n%4)
		}
		return
	case opEnd:
		m.late = n&1 != 0
		m.end()
		m.late = false
		return
	case opFail:
		m.dumping = false
		return
	case opFlush:
		m.flush()
		return
	case opOverrun:
		m.queue, m.exact, m.exactDrop = nil, false, false
		return
	}
	if sa == nil || sa.Larval != (op == opComplete) {
		return
	}
	switch op {
	case opTraffic, opMoreTraffic:
		m.traffic(sa, uint64(n), uint64(n))
	case opSegment:
		m.traffic(sa, 1, uint64(n)+1)
	case opDrop:
		if !sa.isOutbound() {
			sa.Replay += uint32(n)
			sa.ReplayWindow += uint32(n)
			sa.IntegrityFailed += uint32(n)
		}
	case opDelete:
		m.delete(sa)
	case opDeleteAndAdd:
		if sa.hidden {
			return
		}
		m.delete(sa)
		again := m.fresh(0)
		again.ID, again.Source, again.ReqID = sa.ID, sa.Source, sa.ReqID
		m.add(again)
	case opExpire:
		if sa.OutSequence != 0 && sa.OutSequence != sa.Packets {
			m.exact = false
		}
		m.remove(sa)
		event := sa.SA
		event.OutSequence, event.InSequence, event.Larval, event.LastUsed = 0, 0, true, 0
		m.send(func() { m.a.Expired(&event, m, m.now) })
	case opMove:
		if !sa.hidden {
			m.move(sa, n)
			sa.hidden = m.dumping && !m.events
		}
	case opMigrate:
		if !sa.hidden {
			m.exact, m.exactDrop, sa.hidden = false, false, true
			m.moveTo(sa, n)
		}
	case opUpdate:
		if m.lossy {
			return // of one that has migrated the event looks like the first
		}
		if n&1 != 0 {
			sa.IfID = uint32(n)
		}
		event := sa.SA
		event.Figures, event.FirstUsed, event.Added = xfrmnl.Figures{}, 0, 0
		m.send(func() { m.a.Updated(&event, m) })
	case opComplete:
		m.drop(sa) // the kernel replaces it
		complete := m.fresh(0)
		complete.ID, complete.Source = sa.ID, sa.Source
		m.insert(complete)
		m.created++
		event := complete.SA
		m.send(func() { m.a.Updated(&event, m) })
	}
}

// fresh returns an association of one of a few tunnels.
func (m *model) fresh(n int) *modelSA {
	m.spi++
	sa := in(m.spi)
	if n&1 != 0 {
		sa = out(m.spi)
	}
	sa.ReqID = uint32(1 + n>>1&1)
	sa.Added = uint64(m.now.Unix())
	return &modelSA{SA: *sa}
}

func (m *model) insert(sa *modelSA) { m.living = slices.Insert(m.living, 0, sa) }

func (m *model) add(sa *modelSA) {
	m.insert(sa)
	m.created++
	event := sa.SA
	m.send(func() { m.a.Added(&event, m) })
}

func (m *model) drop(sa *modelSA) {
	isThis := func(one *modelSA) bool { return one == sa }
	m.living = slices.DeleteFunc(m.living, isThis)
	m.left = slices.DeleteFunc(m.left, isThis)
}

func (m *model) remove(sa *modelSA) {
	m.drop(sa)
	m.ended = append(m.ended, sa)
}

func (m *model) delete(sa *modelSA) {
	m.remove(sa)
	event := sa.SA
	m.send(func() { m.a.Deleted(&event, m, m.now) })
}

// move is what daemons do: they delete the association and add it again.
func (m *model) move(sa *modelSA, n int) {
	final := sa.SA
	m.send(func() { m.a.Deleted(&final, m, m.now) })
	m.moveTo(sa, n)
	initial := sa.SA
	m.send(func() { m.a.Added(&initial, m) })
}

func (m *model) moveTo(sa *modelSA, n int) {
	m.drop(sa)
	local, peer := []netip.Addr{here, moved}[n&1], []netip.Addr{there, far}[n>>1&1]
	if sa.isOutbound() {
		sa.Source, sa.Destination = local, peer
	} else {
		sa.Source, sa.Destination = peer, local
	}
	sa.drops += sa.Replay
	sa.Replay, sa.ReplayWindow, sa.IntegrityFailed = 0, 0, 0
	m.insert(sa)
}

func (m *model) flush() {
	for _, sa := range slices.Clone(m.living) {
		m.remove(sa)
	}
	m.exact, m.exactDrop = false, false
	m.send(func() { m.a.Flushed(0, m.now) })
}

func (m *model) traffic(sa *modelSA, packets, numbers uint64) {
	if packets > 0 && sa.FirstUsed == 0 {
		sa.FirstUsed = uint64(m.now.Unix())
	}
	sa.Packets += packets
	sa.Bytes += 100 * packets
	if sa.isOutbound() {
		sa.OutSequence += numbers
	} else {
		sa.InSequence += packets
	}
}

func (m *model) send(event func()) {
	if m.events {
		m.queue = append(m.queue, event)
	}
}

// deliver passes on events in their order, all with -1.
func (m *model) deliver(n int) {
	for ; n != 0 && len(m.queue) > 0; n-- {
		if m.late && len(m.queue) == 1 {
			return
		}
		m.queue[0]()
		m.queue = m.queue[1:]
	}
}

func (m *model) begin() {
	m.deliver(-1)
	m.dumping, m.left, m.rows, m.read = true, slices.Clone(m.living), nil, map[*modelSA]modelSA{}
	m.a.BeginDump(m.now, m, m.events)
}

// readRows passes on the rows that were read, and reads some.
func (m *model) readRows(n int) {
	if !m.dumping {
		m.begin()
	}
	for i := range m.rows {
		m.a.Row(&m.rows[i])
	}
	m.rows = nil
	for ; n > 0 && len(m.left) > 0; n-- {
		sa := m.left[0]
		m.left = m.left[1:]
		m.rows = append(m.rows, sa.SA)
		m.read[sa] = *sa
	}
}

func (m *model) end() {
	if !m.dumping {
		return
	}
	for len(m.left)+len(m.rows) > 0 {
		m.readRows(len(m.left))
	}
	m.deliver(-1)
	m.a.EndDump(m.now)
	m.dumping = false
	for sa, as := range m.read {
		sa.shown, sa.hidden = as.Figures, sa.hidden && !as.hidden
	}
}

// sums of all associations, inbound and outbound.
type sums struct {
	bytes, packets         [directions]int64
	drops, living, created int64
}

func (m *model) sums() (got sums) {
	m.a.Each(m.now, func(t *Tunnel) {
		for d, traffic := range t.Traffic {
			if traffic != nil {
				got.bytes[d] += traffic.Bytes
				got.packets[d] += traffic.Packets
				got.created += traffic.Created
				got.living += traffic.Associations
			}
		}
		if t.Replay != t.ReplayWindow || t.Replay != t.IntegrityFailed {
			m.fail("drops %d, %d and %d", t.Replay, t.ReplayWindow, t.IntegrityFailed)
		}
		got.drops += t.Replay
	})
	return got
}

// counted is the sum of figures of all associations.
func (m *model) counted(figures func(*modelSA) (xfrmnl.Figures, uint32)) (want sums) {
	for _, sa := range append(slices.Clone(m.living), m.ended...) {
		now, drops := figures(sa)
		if now.Packets < sa.base.Packets {
			continue // no dump has shown it since
		}
		d, packets := Inbound, now.Packets-sa.base.Packets
		if sa.isOutbound() {
			d, packets = Outbound, now.OutSequence-sa.base.OutSequence
		}
		want.packets[d] += int64(packets)
		want.bytes[d] += int64(now.Bytes - sa.base.Bytes)
		want.drops += int64(drops) - int64(sa.base.Replay)
	}
	want.created = m.created
	return want
}

func (m *model) truth() sums {
	return m.counted(func(sa *modelSA) (xfrmnl.Figures, uint32) { return sa.Figures, sa.drops + sa.Replay })
}

// check compares the sums with the truth and with what they were.
func (m *model) check() {
	got := m.sums()
	if m.read == nil {
		return
	}
	if truth := m.truth(); !truth.contains(got) {
		m.fail("got %+v, more than the truth %+v", got, truth)
	}
	if !got.contains(m.last) {
		m.fail("got %+v, less than before, %+v", got, m.last)
	}
	m.last = got
}

// contains reports whether no sum is less than that of other.
func (s sums) contains(other sums) bool {
	for d := range s.packets {
		if s.packets[d] < other.packets[d] || s.bytes[d] < other.bytes[d] {
			return false
		}
	}
	return s.drops >= other.drops
}

// finish reads everything, and compares exactly what must be exact.
func (m *model) finish() {
	m.end()
	for range 3 { // a dump may leave a question to the next one
		m.begin()
		m.end()
	}
	m.check()
	got, truth := m.sums(), m.truth()
	established := int64(0)
	for _, sa := range m.living {
		if !sa.Larval {
			established++
		}
	}
	if got.living != established {
		m.fail("%d associations, want %d", got.living, established)
	}
	if m.exact && (got.packets != truth.packets || got.bytes != truth.bytes || got.created != truth.created) {
		m.fail("got %+v, want %+v", got, truth)
	}
	if m.exactDrop && got.drops != truth.drops {
		m.fail("got %d drops, want %d", got.drops, truth.drops)
	}
	if m.events || m.lossy {
		return
	}
	// Without events at least what dumps have shown is there.
	shown := m.counted(func(sa *modelSA) (xfrmnl.Figures, uint32) { return sa.shown, 0 })
	shown.drops = 0
	if !got.contains(shown) {
		m.fail("got %+v, less than was shown, %+v", got, shown)
	}
}
