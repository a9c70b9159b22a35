// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

var counterName = &xfrmstat.Name{Kernel: "XfrmInError"}

// fakeBoot is a machine that booted at 1000, until the clock is set.
type fakeBoot struct {
	boot pcommon.Timestamp
	read int
	err  error
}

func (b *fakeBoot) get() (pcommon.Timestamp, error) {
	b.read++
	if b.err != nil {
		return 0, b.err
	}
	return b.boot, nil
}

func newTestStarts(t *testing.T) (*starts, *fakeBoot) {
	t.Helper()
	boot := &fakeBoot{boot: 1000}
	s, err := newStarts(boot.get)
	require.NoError(t, err)
	return s, boot
}

// scrapeOne is the start of the only series of a namespace that is read at now.
func (s *starts) scrapeOne(ns *netns.Namespace, value int64, now pcommon.Timestamp) pcommon.Timestamp {
	start := s.of(ns, now).of(xfrmstat.Counter{Name: counterName, Value: value}, s.boot, now)
	s.endScrape()
	return start
}

func TestStartIsBoot(t *testing.T) {
	s, boot := newTestStarts(t)
	main, late := &netns.Namespace{}, &netns.Namespace{Name: "late"}
	assert.EqualValues(t, 1000, s.scrapeOne(main, 5, 2000))
	assert.EqualValues(t, 1000, s.scrapeOne(late, 5, 3000), "whenever it is found")
	assert.EqualValues(t, 1000, s.scrapeOne(main, 6, 3000))
	assert.EqualValues(t, 1000, s.scrapeOne(late, 5, 9000), "also after a pause")
	assert.Equal(t, 1, boot.read)
}

func TestStartAfterACounterFell(t *testing.T) {
	s, _ := newTestStarts(t)
	ns := &netns.Namespace{}
	s.scrapeOne(ns, 5, 2000)
	assert.EqualValues(t, 2000, s.scrapeOne(ns, 4, 3000))
	assert.EqualValues(t, 2000, s.scrapeOne(ns, 4, 4000), "it does not move again")
	assert.EqualValues(t, 2000, s.scrapeOne(ns, 9, 5000))
	// Another counter of the namespace keeps its start.
	other := xfrmstat.Counter{Name: &xfrmstat.Name{Kernel: "XfrmOutError"}, Value: 1}
	assert.EqualValues(t, 1000, s.of(ns, 5000).of(other, s.boot, 5000))
}

// The time of the last point is that of the series, not that of the namespace: the
// line of the counter can be bad for a while.
func TestStartAfterACounterWasMissing(t *testing.T) {
	s, _ := newTestStarts(t)
	ns := &netns.Namespace{}
	s.scrapeOne(ns, 5, 2000)
	s.of(ns, 3000)
	s.endScrape()
	assert.EqualValues(t, 2000, s.scrapeOne(ns, 4, 4000))
}

func TestStartOfAnotherNamespaceWithTheSameName(t *testing.T) {
	s, _ := newTestStarts(t)
	first, second := &netns.Namespace{Name: "vpn"}, &netns.Namespace{Name: "vpn"}
	s.scrapeOne(first, 5, 2000)
	assert.EqualValues(t, 2000, s.scrapeOne(second, 7, 3000), "although the counter is larger")
	assert.EqualValues(t, 2000, s.scrapeOne(second, 8, 4000))
}

// Where the clock is set back to before boot, boot moves once, and no start lies
// after its point.
func TestStartAfterTheClockWasSetBack(t *testing.T) {
	s, boot := newTestStarts(t)
	ns, fell := &netns.Namespace{}, &netns.Namespace{Name: "fell"}
	s.scrapeOne(ns, 5, 2000)
	s.scrapeOne(fell, 5, 2000)
	assert.EqualValues(t, 2000, s.scrapeOne(fell, 4, 2500))
	boot.boot = 100
	for _, now := range []pcommon.Timestamp{500, 600, 3000} {
		assert.EqualValues(t, 100, s.scrapeOne(ns, 5, now))
		assert.EqualValues(t, 100, s.scrapeOne(fell, 4, now))
	}
	assert.Equal(t, 2, boot.read)
	// Set back, but not to before boot.
	assert.EqualValues(t, 100, s.scrapeOne(ns, 5, 200))
	assert.Equal(t, 2, boot.read)

	// Where boot cannot be read, or lies ahead, the point's own time has to do.
	boot.err = errors.New("no")
	assert.EqualValues(t, 50, s.scrapeOne(ns, 5, 50))
	assert.EqualValues(t, 50, s.scrapeOne(ns, 5, 60))
	boot.err, boot.boot = nil, 70
	assert.EqualValues(t, 40, s.scrapeOne(ns, 5, 40))
}

func TestStartsAreBounded(t *testing.T) {
	s, _ := newTestStarts(t)
	for i := range maxResources + 10 {
		s.scrapeOne(&netns.Namespace{Name: fmt.Sprint(i)}, 1, 2000)
	}
	require.Len(t, s.resources, maxResources)
	assert.NotContains(t, s.resources, netns.Namespace{Name: "9"}, "those that were not read for the longest time go")
	assert.Contains(t, s.resources, netns.Namespace{Name: "10"})

	// More than that are kept as long as they are read.
	for i := range maxResources + 10 {
		s.of(&netns.Namespace{Name: fmt.Sprint(i)}, 3000)
	}
	s.endScrape()
	assert.Len(t, s.resources, maxResources+10)

	ns := &netns.Namespace{}
	for i := range 10 * maxSeries {
		s.of(ns, 2000).of(xfrmstat.Counter{Name: &xfrmstat.Name{Kernel: fmt.Sprint(i)}}, s.boot, 2000)
	}
	assert.LessOrEqual(t, len(s.resources[*ns].counters), maxSeries+1)
}

func TestPointsOfANamespace(t *testing.T) {
	s, _ := newTestStarts(t)
	ns := &netns.Namespace{Name: "vpn"}
	assert.Equal(t, 1, s.points(nil))
	assert.Equal(t, 1, s.points(ns))
	s.of(ns, 2000).points = 3
	assert.Equal(t, 3, s.points(ns))
	assert.Equal(t, 1, s.points(&netns.Namespace{Name: "vpn"}), "another one")
}
