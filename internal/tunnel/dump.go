// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// BeginDump is called before the kernel is asked for all associations. events says
// that events are being listened to, and all that came before have been passed in.
func (a *Accumulator) BeginDump(now time.Time, host Host, events bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dumps++
	a.dumping, a.began, a.host, a.events, a.full = true, now, host, events, false
	a.fresh, a.shown = nil, 0
	a.ignored = make(map[xfrmnl.ID]struct{})
}

// Row takes one association of the dump.
func (a *Accumulator) Row(sa *xfrmnl.SA) {
	if !belongs(sa) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.ignored[sa.ID]; ok {
		return
	}
	one := a.associations[sa.ID]
	switch {
	case one == nil && !a.complete:
		// It may have counted before anyone looked.
		a.add(sa, sa.Figures, false, a.host)
		return
	case one == nil:
		if len(a.fresh) < MaxAssociations {
			a.fresh = append(a.fresh, *sa)
		} else {
			a.full = true
		}
		return
	case one.seen == a.dumps:
		return // while it migrates, the kernel shows it twice
	case one.isAnother(sa) || one.hasMoved(sa):
		if a.events && !one.doubted {
			// The event that tells may be under way: the next dump decides.
			a.show(one)
			one.doubted = true
			return
		}
		one = a.replace(sa, one)
	}
	a.show(one)
	one.missing, one.doubted = false, false
	one.note(sa)
	if one.direction == Unknown {
		a.settle(sa, one, a.host, a.began)
	}
	one.count(sa.Figures)
}

// show notes that the dump shows an association.
func (a *Accumulator) show(one *association) {
	if one.seen != a.dumps {
		one.seen = a.dumps
		a.shown++
	}
}

// replace remembers an association in the place of one with the same identity. It
// is another one, or belongs to another tunnel now.
func (a *Accumulator) replace(sa *xfrmnl.SA, before *association) *association {
	isNew, initial := before.isAnother(sa), before.last
	if isNew {
		initial = xfrmnl.Figures{}
	}
	a.remove(sa.ID, before, a.began)
	return a.add(sa, initial, isNew, a.host)
}

// EndDump is called when the dump is complete. Without it what the dump lacked
// means nothing.
func (a *Accumulator) EndDump(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dumping {
		return
	}
	if a.shown < len(a.associations) {
		a.endUnseen(now)
	}
	for i := range a.fresh {
		a.addFresh(&a.fresh[i], now)
	}
	for key, e := range a.ended {
		if e.dump < a.dumps {
			delete(a.ended, key)
		}
	}
	if len(a.ended) == 0 {
		a.ended = make(map[mobile]end) // a map never gives memory back
	}
	a.forget(now)
	a.dumping, a.since, a.host, a.fresh, a.ignored = false, a.began, nil, nil, nil
	a.complete = !a.full
}

// endUnseen ends the associations that the dump has not shown.
func (a *Accumulator) endUnseen(now time.Time) {
	for id, one := range a.associations {
		switch {
		case one.seen == a.dumps:
		case a.events && !one.missing:
			// The event that ends it is under way, or was lost: the next dump
			// decides, unless it appears under another address.
			one.missing = true
			a.noteEnd(id, one)
		default:
			a.remove(id, one, now)
		}
	}
}

// addFresh adds an association that appeared since the last dump. It counted all
// its figures since then, unless it moved.
func (a *Accumulator) addFresh(sa *xfrmnl.SA, now time.Time) {
	if _, ok := a.ignored[sa.ID]; ok || a.associations[sa.ID] != nil {
		return // an event was quicker
	}
	initial, moved := a.movedFrom(sa, now)
	if moved && fell(sa.Figures, initial) {
		return // it ended after the dump had shown it
	}
	if one := a.add(sa, initial, !moved, a.host); one != nil {
		one.count(sa.Figures)
	}
}

// movedFrom returns what an association had counted before it came again under
// another address.
func (a *Accumulator) movedFrom(sa *xfrmnl.SA, now time.Time) (initial xfrmnl.Figures, moved bool) {
	key := mobile{spi: sa.SPI, reqID: sa.ReqID, protocol: sa.Protocol, added: sa.Added}
	e, ok := a.ended[key]
	if !ok {
		return xfrmnl.Figures{}, false
	}
	if one := a.associations[e.id]; one != nil && one.missing {
		a.remove(e.id, one, now)
	}
	delete(a.ended, key)
	// The drops begin again (xfrm_state_clone_and_setup in net/xfrm/xfrm_state.c).
	e.figures.Replay, e.figures.ReplayWindow, e.figures.IntegrityFailed = 0, 0, 0
	return e.figures, true
}
