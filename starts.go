// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"cmp"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// starts decides on the start timestamps of all series. OTLP takes a start that
// is later than the truth, or that moves, for a reset, and backends then count
// history again (OpenTelemetry metrics data model, "Resets and Gaps"). Hence one
// rule: a series starts at the boot of the host. It begins anew, at the time of its
// last point, only if its resource attributes now belong to another namespace, or
// if its counter fell.
type starts struct {
	boot pcommon.Timestamp
	// readBoot reads boot again after the clock was set back to before it.
	readBoot func() (pcommon.Timestamp, error)
	// generation counts the scrapes.
	generation int
	resources  map[netns.Namespace]*resourceStarts
}

// resourceStarts is what is known of the series of one resource.
type resourceStarts struct {
	// namespace is the one that the attributes belong to.
	namespace *netns.Namespace
	// start is that of series that are not in counters yet.
	start pcommon.Timestamp
	// last is when the namespace was last read.
	last pcommon.Timestamp
	// generation is the scrape in which it was last read.
	generation int
	// points is how many points it gave then.
	points   int
	counters map[*xfrmstat.Name]*series
}

type series struct {
	start, last pcommon.Timestamp
	value       int64
}

const (
	// maxResources bounds how many resources are remembered after their namespace
	// is gone.
	maxResources = 10_000
	// maxSeries bounds how many series of one resource are remembered. No kernel
	// has nearly as many counters; a file of garbage can have others each time.
	maxSeries = 512
)

func newStarts(readBoot func() (pcommon.Timestamp, error)) (*starts, error) {
	boot, err := readBoot()
	if err != nil {
		return nil, err
	}
	return &starts{boot: boot, readBoot: readBoot, resources: make(map[netns.Namespace]*resourceStarts)}, nil
}

// at settles what a clock that was set back changes: no start is after now. It is
// called before the points of each namespace.
func (s *starts) at(now pcommon.Timestamp) {
	if now >= s.boot {
		return
	}
	if boot, err := s.readBoot(); err == nil {
		s.boot = boot
	}
	s.boot = min(s.boot, now)
}

// of returns the resource of a namespace whose points have the time now.
func (s *starts) of(ns *netns.Namespace, now pcommon.Timestamp) *resourceStarts {
	s.at(now)
	r := s.resources[*ns]
	switch {
	case r == nil:
		r = &resourceStarts{namespace: ns, start: s.boot, counters: make(map[*xfrmstat.Name]*series)}
		s.resources[*ns] = r
	case r.namespace != ns:
		r.namespace, r.start = ns, r.last
		clear(r.counters)
	}
	if len(r.counters) > maxSeries {
		clear(r.counters)
	}
	r.last, r.generation, r.points = now, s.generation, 0
	return r
}

// of returns the start of the series of a counter that has this value now.
func (r *resourceStarts) of(c xfrmstat.Counter, boot, now pcommon.Timestamp) pcommon.Timestamp {
	one := r.counters[c.Name]
	if one == nil {
		one = &series{start: r.start}
		r.counters[c.Name] = one
	}
	if c.Value < one.value {
		one.start = one.last
	}
	if one.start > now {
		one.start = boot
	}
	one.value, one.last = c.Value, now
	return one.start
}

// points returns how many points a namespace gave when it was last read, 1 if it
// never was.
func (s *starts) points(ns *netns.Namespace) int {
	if ns != nil {
		if r := s.resources[*ns]; r != nil && r.namespace == ns {
			return max(1, r.points)
		}
	}
	return 1
}

// endScrape forgets the resources that were not read for the longest time, if
// there are more than maxResources.
func (s *starts) endScrape() {
	s.generation++
	if len(s.resources) <= maxResources {
		return
	}
	var gone []netns.Namespace
	for key, r := range s.resources {
		if r.generation != s.generation-1 {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b netns.Namespace) int {
		return cmp.Compare(s.resources[a].generation, s.resources[b].generation)
	})
	for _, key := range gone[:min(len(gone), len(s.resources)-maxResources)] {
		delete(s.resources, key)
	}
}
