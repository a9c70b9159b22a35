// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

func TestNewest(t *testing.T) {
	k := newKernel(t, Options{})
	old, newest := in(1), in(2)
	old.Limits = xfrmnl.Limits{Packets: 1}
	old.Packets = 1
	newest.Added = old.Added + 5
	k.add(old)
	k.add(newest)
	k.dump()
	for range 20 { // the order of a map is random
		got := k.tunnel().Traffic[Inbound]
		assert.InDelta(t, 5, got.Age, 0)
		assert.False(t, got.HasLifetime)
	}
	newest.Added = uint64(k.now.Add(time.Hour).Unix()) // the clock was set back
	k.dump()
	assert.InDelta(t, 0, k.tunnel().Traffic[Inbound].Age, 0)
}

// A start is compared with the wall clock, which can be set back. Two times with a
// monotonic clock reading are compared by that, which never goes back.
func TestStartHasNoMonotonicClockReading(t *testing.T) {
	k := newKernel(t, Options{})
	k.now = time.Now()
	k.add(in(1))
	k.dump()
	assert.Equal(t, k.now.Round(0), k.tunnel().Start)
	k.now = k.now.Add(-time.Hour) // the clock was set back
	assert.Equal(t, k.now.Round(0), k.tunnel().Start)
	k.now = k.now.Add(2 * time.Hour)
	k.dump()
	k.add(withReqID(2))
	began := k.now
	k.dump()
	for _, one := range k.tunnels() {
		if one.ReqID == 2 {
			assert.Equal(t, began.Round(0), one.Start)
		}
	}
}

// The highest share of the limits counts.
func TestLifetime(t *testing.T) {
	for name, c := range map[string]struct {
		limits xfrmnl.Limits
		used   bool
		want   float64
	}{
		"bytes":               {xfrmnl.Limits{Bytes: 1000}, true, 0.5},
		"packets":             {xfrmnl.Limits{Packets: 50}, true, 0.1},
		"time":                {xfrmnl.Limits{SinceAdded: 40}, true, 0.25},
		"time since used":     {xfrmnl.Limits{SinceUsed: 40}, true, 0.2},
		"never used":          {xfrmnl.Limits{SinceUsed: 40}, false, 0},
		"the highest":         {xfrmnl.Limits{Bytes: 1000, Packets: 50, SinceAdded: 40}, true, 0.5},
		"no more than 1":      {xfrmnl.Limits{Bytes: 100}, true, 1},
		"time in the minutes": {xfrmnl.Limits{SinceAdded: 1}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			sa := k.add(in(1))
			sa.Limits = c.limits
			receive(sa, 5)
			if c.used {
				sa.FirstUsed = sa.Added + 2
			}
			k.dump()
			got := k.tunnel().Traffic[Inbound]
			assert.True(t, got.HasLifetime)
			assert.InDelta(t, c.want, got.Lifetime, 1e-9)
		})
	}
}

func TestSequence(t *testing.T) {
	k := newKernel(t, Options{})
	low, high := k.add(in(1)), k.add(out(2))
	low.InSequence, high.OutSequence = 5, math.MaxUint32/2
	k.dump()
	assert.True(t, k.tunnel().HasSequence)
	assert.InDelta(t, 0.5, k.tunnel().Sequence, 1e-9)
	high.ESN = true
	low.InSequence = math.MaxUint32 / 4
	k.dump()
	assert.InDelta(t, 0.25, k.tunnel().Sequence, 1e-9)
	k.delete(low)
	k.delete(high)
	k.dump()
	assert.False(t, k.tunnel().HasSequence)
	comp := in(3)
	comp.Protocol, comp.ReqID = xfrmnl.ProtocolIPComp, 9
	k.add(comp)
	k.dump()
	for _, one := range k.tunnels() {
		assert.False(t, one.HasSequence)
	}
}

// The time of the last packet survives a rekey.
func TestLastUsed(t *testing.T) {
	k := newKernel(t, Options{})
	sa := k.add(in(1))
	k.dump()
	assert.Zero(t, k.tunnel().Traffic[Inbound].LastUsed)
	sa.LastUsed = 77
	k.dump()
	k.add(in(2))
	k.delete(sa)
	k.dump()
	assert.EqualValues(t, 77, k.tunnel().Traffic[Inbound].LastUsed)
	found := newKernel(t, Options{})
	found.add(sa)
	found.dump()
	assert.EqualValues(t, 77, found.tunnel().Traffic[Inbound].LastUsed)
	// The clock is set back.
	sa.LastUsed = uint64(begin.Unix())
	found.dump()
	found.now = begin.Add(-time.Hour)
	assert.EqualValues(t, found.now.Unix(), found.tunnel().Traffic[Inbound].LastUsed)
	sa.LastUsed = uint64(found.now.Unix()) - 5
	found.dump()
	assert.Equal(t, sa.LastUsed, found.a.associations[sa.ID].lastUsed)
}

// A start is never later than the time of a point.
func TestClockSetBack(t *testing.T) {
	k := newKernel(t, Options{})
	k.add(in(1))
	k.dump()
	k.now = begin.Add(-time.Hour)
	assert.Equal(t, k.now, k.tunnel().Start)
}

// dumper returns what dumps 10,000 associations that are known.
func dumper() func() {
	a := New(Options{})
	var sas [10_000]*xfrmnl.SA
	for i := range sas {
		sas[i] = in(uint32(i + 1))
	}
	host := &kernel{local: nil}
	dump := func() {
		a.BeginDump(begin, host, false)
		for _, sa := range sas {
			a.Row(sa)
		}
		a.EndDump(begin)
	}
	dump()
	return dump
}

func TestRowDoesNotAllocate(t *testing.T) {
	assert.Less(t, testing.AllocsPerRun(5, dumper()), 10.0)
}

func BenchmarkRow(b *testing.B) {
	dump := dumper()
	b.ReportAllocs()
	for b.Loop() {
		dump()
	}
}
