// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Added takes the event of an association that was added (XFRM_MSG_NEWSA). What it
// had counted then does not count: it moved here with it.
func (a *Accumulator) Added(sa *xfrmnl.SA, host Host) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(sa, host)
}

// Updated takes the event of an association that was updated (XFRM_MSG_UPDSA). That
// is how a larval one is completed. An update of a complete one changes nothing:
// the event describes the request, and its figures are zero.
func (a *Accumulator) Updated(sa *xfrmnl.SA, host Host) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.complete {
		a.begin(sa, host)
	}
}

func (a *Accumulator) begin(sa *xfrmnl.SA, host Host) {
	if !belongs(sa) || a.dumps == 0 || a.associations[sa.ID] != nil {
		return
	}
	_, moved := a.movedFrom(sa, a.began)
	a.add(sa, sa.Figures, !moved && sa.Bytes == 0 && sa.Packets == 0, host)
}

// Deleted takes the event of an association that was deleted, with its final
// figures (XFRM_MSG_DELSA).
func (a *Accumulator) Deleted(sa *xfrmnl.SA, host Host, now time.Time) { a.end(sa, true, host, now) }

// Expired takes the event of an association that reached a hard limit, with its
// final figures without sequence numbers (XFRM_MSG_EXPIRE).
func (a *Accumulator) Expired(sa *xfrmnl.SA, host Host, now time.Time) { a.end(sa, false, host, now) }

func (a *Accumulator) end(sa *xfrmnl.SA, hasSequence bool, host Host, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.associations[sa.ID]
	if one != nil && one.isAnother(sa) {
		return // it is of one that ended before
	}
	a.ignore(sa.ID)
	if one == nil {
		return
	}
	if one.direction == Unknown && hasSequence {
		a.settle(sa, one, host, now)
	}
	one.note(sa)
	one.count(sa.Figures)
	a.remove(sa.ID, one, now)
}

// Flushed takes the event that all associations of a protocol were deleted, 0 or
// 255 means of IPsec (XFRM_MSG_FLUSHSA). It has no figures: what they counted since
// the last dump is lost.
func (a *Accumulator) Flushed(protocol uint8, now time.Time) {
	const anyProtocol, anyIPsec = 0, 255 // xfrm_id_proto_match in include/net/xfrm.h
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, one := range a.associations {
		if protocol == anyProtocol || protocol == anyIPsec || protocol == id.Protocol {
			a.ignore(id)
			a.remove(id, one, now)
		}
	}
}

// ignore ignores what the dump that is under way says of an association that has
// ended.
func (a *Accumulator) ignore(id xfrmnl.ID) {
	switch {
	case !a.dumping:
	case len(a.ignored) >= MaxAssociations:
		a.dumping = false // as if the dump had failed: it is too old
	default:
		a.ignored[id] = struct{}{}
	}
}
