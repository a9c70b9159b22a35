// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

const (
	// DefaultLimit bounds the tunnels of a namespace.
	DefaultLimit = 2000
	// DefaultForgetAfter is how long a tunnel without associations is kept.
	DefaultForgetAfter = 24 * time.Hour
	// MaxAssociations bounds the associations of a namespace that are remembered.
	MaxAssociations = 50_000
)

// Options bound what is remembered.
type Options struct {
	// Limit bounds the tunnels, 0 means DefaultLimit.
	Limit int
	// ForgetAfter is how long a tunnel without associations is kept, 0 means
	// DefaultForgetAfter.
	ForgetAfter time.Duration
}

// Host answers questions about the network namespace of the associations. They
// are asked when a tunnel is new, and while the direction of an association is
// unknown.
type Host interface {
	// IsLocal reports whether an address is one of the namespace.
	IsLocal(netip.Addr) bool
	// InterfaceOf returns the name of the xfrm or vti interface of a tunnel, or
	// an empty string.
	InterfaceOf(Key) string
}

// Accumulator adds up the associations of one network namespace. It is safe for
// concurrent use.
//
// The first dump tells what the associations had counted before; the sums begin at
// zero. Each further dump adds what was counted since. Events add what an
// association counted between the last dump and its end.
type Accumulator struct {
	options Options

	mu           sync.Mutex
	tunnels      map[Key]*Tunnel
	associations map[xfrmnl.ID]*association
	// overflow takes the associations of tunnels beyond the limit.
	overflow *Tunnel
	// empty are the *Tunnel without associations, the one that lost its last first
	// in front.
	empty list.List

	// dumps counts the dumps, the one that is under way included.
	dumps   uint64
	dumping bool
	// began is when the last dump began, since when the last one that was
	// complete did, reported when the tunnels were last reported.
	began, since, reported time.Time
	host                   Host
	// shown is how many of the associations this dump has shown, or were added
	// since it began.
	shown int
	// fresh are the associations that this dump shows for the first time.
	fresh []xfrmnl.SA
	// ignored are those that an event ended while this dump was under way. What the
	// dump says of them is older.
	ignored map[xfrmnl.ID]struct{}
	// ended are those that ended since the dump before the last one. They may
	// come again under another address.
	ended map[mobile]end
	// complete says that what is not remembered did not exist at the last dump.
	complete bool
	// events says that events tell the ends of associations.
	events bool
	// full says that there were more than MaxAssociations since the last dump
	// began.
	full bool
}

// mobile identifies an association that moves to another address, as with MOBIKE
// (RFC 4555). Daemons delete it, and add it again with its counters.
type mobile struct {
	spi, reqID uint32
	protocol   uint8
	added      uint64
}

// end is what an association had counted when it was last seen.
type end struct {
	id      xfrmnl.ID
	figures xfrmnl.Figures
	// dump is the last one before the end.
	dump uint64
}

// New returns an Accumulator that remembers nothing.
func New(options Options) *Accumulator {
	if options.Limit == 0 {
		options.Limit = DefaultLimit
	}
	if options.ForgetAfter == 0 {
		options.ForgetAfter = DefaultForgetAfter
	}
	return &Accumulator{
		options:      options,
		tunnels:      make(map[Key]*Tunnel),
		associations: make(map[xfrmnl.ID]*association),
		ended:        make(map[mobile]end),
	}
}

// add remembers an association that began with these figures, which do not count.
func (a *Accumulator) add(sa *xfrmnl.SA, initial xfrmnl.Figures, isNew bool, host Host) *association {
	if len(a.associations) >= MaxAssociations {
		a.full = true
		return nil
	}
	one := &association{
		last: initial, reqID: sa.ReqID, protocol: sa.Protocol,
		direction: a.directionOf(sa, host),
	}
	one.note(sa)
	one.tunnel = a.place(sa, one.direction, host, a.start())
	one.tunnel.living++
	one.isNew = isNew
	one.join()
	a.associations[sa.ID] = one
	a.show(one)
	return one
}

// place returns the tunnel of an association, which has traffic in its direction.
// If it is new, its sums count since start.
func (a *Accumulator) place(sa *xfrmnl.SA, d Direction, host Host, start time.Time) *Tunnel {
	key := KeyOf(sa, d)
	t := a.tunnels[key]
	switch {
	case t != nil && t.living == 0:
		a.empty.Remove(t.empty)
	case t == nil && len(a.tunnels) >= a.options.Limit && !a.evict():
		if a.overflow == nil {
			a.overflow = &Tunnel{Overflow: true, Start: start}
		}
		t = a.overflow
	case t == nil:
		t = &Tunnel{Key: key, Start: start}
		if key.IfID != 0 || key.Mark != 0 {
			t.Interface = host.InterfaceOf(key)
		}
		a.tunnels[key] = t
	}
	if t.Traffic[d] == nil {
		t.Traffic[d] = &Traffic{}
	}
	return t
}

// start returns the start of the sums of a tunnel that is new. Without its
// monotonic clock reading it is compared with the wall clock, which can be set back.
func (a *Accumulator) start() time.Time {
	if a.since.IsZero() {
		return a.began.Round(0)
	}
	return a.since.Round(0)
}

// remove forgets an association, whose figures the sums contain.
func (a *Accumulator) remove(id xfrmnl.ID, one *association, now time.Time) {
	delete(a.associations, id)
	if one.seen == a.dumps {
		a.shown--
	}
	a.leave(one.tunnel, now)
	a.noteEnd(id, one)
}

// noteEnd remembers an association that may come again under another address.
func (a *Accumulator) noteEnd(id xfrmnl.ID, one *association) {
	if one.reqID != 0 && len(a.ended) < MaxAssociations {
		key := mobile{spi: id.SPI, reqID: one.reqID, protocol: id.Protocol, added: one.added}
		a.ended[key] = end{id: id, figures: one.last, dump: a.dumps}
	}
}

func (a *Accumulator) leave(t *Tunnel, now time.Time) {
	t.living--
	if t.living == 0 && !t.Overflow {
		t.emptySince = now
		t.empty = a.empty.PushBack(t)
	}
}

// evict forgets the tunnel that has been without associations for the longest
// time, and reports whether there was one.
func (a *Accumulator) evict() bool {
	oldest := a.empty.Front()
	if oldest == nil {
		return false
	}
	a.drop(oldest.Value.(*Tunnel))
	// If it comes back, it must not start before its last point.
	a.since = a.reported
	return true
}

// forget forgets the tunnels that have been without associations for too long.
func (a *Accumulator) forget(now time.Time) {
	for e := a.empty.Front(); e != nil; e = a.empty.Front() {
		t := e.Value.(*Tunnel)
		if now.Sub(t.emptySince) < a.options.ForgetAfter {
			return
		}
		a.drop(t)
	}
}

// drop forgets a tunnel without associations.
func (a *Accumulator) drop(t *Tunnel) {
	a.empty.Remove(t.empty)
	delete(a.tunnels, t.Key)
}

// settle gives an association whose direction was unknown its direction, once
// something tells.
func (a *Accumulator) settle(sa *xfrmnl.SA, one *association, host Host, now time.Time) {
	d := a.directionOf(sa, host)
	if d == Unknown {
		return
	}
	before := one.tunnel
	one.direction, one.tunnel = d, a.place(sa, d, host, before.Start)
	one.tunnel.living++
	one.join()
	a.leave(before, now)
	if before.living == 0 && !before.Overflow && !before.isKnown() {
		a.drop(before)
	}
}
