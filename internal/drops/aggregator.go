// SPDX-License-Identifier: Apache-2.0

package drops

import (
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
)

// MaxPeers is how many peers are told apart beyond the limit of kinds, for each
// direction and reason in an interval.
const MaxPeers = 10_000

// Aggregator counts dropped packets by kind. The first packet of a kind leaves at
// once. Those that follow leave together at the end of each interval, until an
// interval has none: then the next is the first again.
//
// It remembers at most twice as many kinds as the limit, those of this interval and
// of the one before. It is not safe for concurrent use.
type Aggregator struct {
	limit int
	kinds map[Kind]*pending
	// seen is how many kinds this interval has had.
	seen int
	// overflows are by a Kind that has only a direction and a reason.
	overflows map[Kind]*overflow
}

// pending is what has not left of a kind.
type pending struct {
	Record
	// seen says that this interval has had the kind.
	seen bool
}

// overflow is what has not left of the kinds beyond the limit.
type overflow struct {
	Record
	peers map[netip.Addr]struct{}
}

// New returns an Aggregator that tells at most limit kinds apart in an interval.
func New(limit int) *Aggregator {
	return &Aggregator{
		limit:     limit,
		kinds:     make(map[Kind]*pending),
		overflows: make(map[Kind]*overflow),
	}
}

// Add counts a dropped packet. isFirst says that the packet is the first of its
// kind; the record stands for this packet alone and does not return from
// EndInterval.
func (a *Aggregator) Add(d audit.Drop) (r Record, isFirst bool) {
	kind := kindOf(&d)
	p := a.kinds[kind]
	isFirst = p == nil
	if isFirst || !p.seen {
		if a.seen >= a.limit {
			a.addOverflow(kind, &d)
			return Record{}, false
		}
		a.seen++
	}
	if isFirst {
		a.kinds[kind] = &pending{Record: Record{Kind: kind}, seen: true}
		r.Kind = kind
		r.add(&d)
		return r, true
	}
	p.seen = true
	p.add(&d)
	return Record{}, false
}

func (a *Aggregator) addOverflow(kind Kind, d *audit.Drop) {
	key := Kind{Direction: kind.Direction, Reason: kind.Reason}
	o := a.overflows[key]
	if o == nil {
		o = &overflow{Record: Record{Kind: key, Overflow: true}, peers: make(map[netip.Addr]struct{})}
		a.overflows[key] = o
	}
	o.add(d)
	if len(o.peers) < MaxPeers {
		o.peers[kind.Peer] = struct{}{}
	}
}

// EndInterval returns what has been counted and has not left, in no order.
func (a *Aggregator) EndInterval() []Record {
	var records []Record
	for kind, p := range a.kinds {
		if !p.seen {
			delete(a.kinds, kind)
			continue
		}
		if p.Count > 0 {
			records = append(records, p.Record)
		}
		*p = pending{Record: Record{Kind: kind}}
	}
	for key, o := range a.overflows {
		o.Peers = len(o.peers)
		records = append(records, o.Record)
		delete(a.overflows, key)
	}
	a.seen = 0
	return records
}
