// SPDX-License-Identifier: Apache-2.0

package tunnel

import "time"

// Each passes each tunnel, the one that stands for the overflow last. What is
// passed is valid during the call. The function must not call the Accumulator.
func (a *Accumulator) Each(now time.Time, f func(*Tunnel)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reported = now
	for _, t := range a.tunnels {
		t.clear(now)
	}
	if a.overflow != nil {
		a.overflow.clear(now)
	}
	for _, one := range a.associations {
		if !one.missing || one.seen == a.dumps {
			one.report()
		}
	}
	for _, t := range a.tunnels {
		t.reportNewest(now)
		f(t)
	}
	if a.overflow != nil {
		f(a.overflow)
	}
}

// clear forgets what report tells.
func (t *Tunnel) clear(now time.Time) {
	t.Sequence, t.HasSequence = 0, false
	for _, traffic := range t.Traffic {
		if traffic != nil {
			traffic.Associations, traffic.newest = 0, nil
			// The clock may have been set back.
			traffic.LastUsed = min(traffic.LastUsed, uint64(now.Unix()))
		}
	}
	if t.isKnown() {
		t.Traffic[Unknown] = nil // report makes it if it is still needed
	}
	if t.Start.After(now) {
		t.Start = now.Round(0) // the clock was set back
	}
}

// report tells what the association contributes to the present state of its
// tunnel.
func (a *association) report() {
	traffic := a.tunnel.Traffic[a.direction]
	if traffic == nil {
		traffic = &Traffic{}
		a.tunnel.Traffic[a.direction] = traffic
	}
	traffic.Associations++
	if traffic.newest == nil || a.added > traffic.newest.added {
		traffic.newest = a
	}
	if share, ok := a.sequenceShare(); ok {
		a.tunnel.Sequence, a.tunnel.HasSequence = max(a.tunnel.Sequence, share), true
	}
}

func (t *Tunnel) reportNewest(now time.Time) {
	for _, traffic := range t.Traffic {
		if traffic != nil && traffic.newest != nil {
			traffic.Age = traffic.newest.age(now)
			traffic.Lifetime, traffic.HasLifetime = traffic.newest.lifetime(now)
		}
	}
}

// Full reports what is not remembered: tunnels beyond the limit, and associations
// beyond MaxAssociations.
func (a *Accumulator) Full() (tunnels, associations bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.overflow != nil && a.overflow.living > 0, a.full
}
