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
	a.fresh = nil
	clear(a.touched)
}

// Row takes one association of the dump.
func (a *Accumulator) Row(sa *xfrmnl.SA) {
	if !belongs(sa) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.touched[sa.ID]; ok {
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
	case one.isAnother(sa):
		if one = a.replace(sa, one, xfrmnl.Figures{}, true); one == nil {
			return
		}
	case one.hasMoved(sa):
		if one = a.replace(sa, one, one.last, false); one == nil {
			return
		}
	}
	one.seen, one.missing = a.dumps, false
	one.note(sa)
	if one.direction == Unknown {
		a.settle(sa, one, a.host, a.began)
	}
	one.count(sa.Figures)
}

// replace remembers an association in the place of one with the same identity.
func (a *Accumulator) replace(sa *xfrmnl.SA, before *association, initial xfrmnl.Figures, isNew bool) *association {
	a.remove(sa.ID, before, a.began)
	return a.add(sa, initial, isNew, a.host)
}

// EndDump is called when the dump is complete. Without it what the dump lacked
// means nothing.
func (a *Accumulator) EndDump(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
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
	for i := range a.fresh {
		a.addFresh(&a.fresh[i], now)
	}
	a.fresh = nil
	for key, e := range a.ended {
		if e.dump < a.dumps {
			delete(a.ended, key)
		}
	}
	a.forget(now)
	a.dumping, a.since, a.host = false, a.began, nil
	a.complete = !a.full
}

// addFresh adds an association that appeared since the last dump. It counted all
// its figures since then, unless it moved.
func (a *Accumulator) addFresh(sa *xfrmnl.SA, now time.Time) {
	if _, ok := a.touched[sa.ID]; ok {
		return
	}
	e, moved := a.movedFrom(sa)
	if one := a.associations[e.id]; moved && one != nil && one.missing {
		a.remove(e.id, one, now)
	}
	if one := a.add(sa, e.figures, !moved, a.host); one != nil {
		one.count(sa.Figures)
	}
}

// movedFrom returns the end of an association that came again under another
// address.
func (a *Accumulator) movedFrom(sa *xfrmnl.SA) (end, bool) {
	e, ok := a.ended[mobile{spi: sa.SPI, reqID: sa.ReqID, protocol: sa.Protocol, added: sa.Added}]
	return e, ok && sa.ReqID != 0
}
