// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"net/netip"
	"reflect"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// The cost of each point must not depend on the number of tunnels. `make bench`
// runs this and compares.
func BenchmarkTunnels(b *testing.B) {
	for _, n := range []int{100, 1000, 2000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			now := time.Unix(1_000_100, 0)
			s := newScraper(receivertest.NewNopSettings(metadata.Type), allMetrics(), nil)
			read := &associations.Namespace{Dumped: true, Tunnels: manyTunnels(n, now)}
			var emitted pmetric.Metrics
			b.ReportAllocs()
			for b.Loop() {
				s.recordAssociations(read, now)
				s.emit(&netns.Namespace{})
				emitted = s.take()
			}
			require.Equal(b, 18*n, emitted.DataPointCount())
			b.ReportMetric(float64(emitted.DataPointCount()), "points/op")
		})
	}
}

// A namespace with many tunnels makes the points of others no larger.
func TestPointsOfOtherNamespacesAreNoLarger(t *testing.T) {
	now := time.Unix(1_000_100, 0)
	one := &associations.Namespace{Dumped: true, Tunnels: manyTunnels(1, now)}
	allocated := func(before int) uint64 {
		s := newScraper(receivertest.NewNopSettings(metadata.Type), allMetrics(), nil)
		s.recordAssociations(&associations.Namespace{Dumped: true, Tunnels: manyTunnels(before, now)}, now)
		s.emit(&netns.Namespace{Name: "before"})
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		const namespaces = 100
		for i := range namespaces {
			s.recordAssociations(one, now)
			s.emit(&netns.Namespace{PID: i + 1})
		}
		runtime.ReadMemStats(&end)
		emitted := s.take()
		require.Equal(t, 1+namespaces, emitted.ResourceMetrics().Len())
		require.Equal(t, 18*(before+namespaces), emitted.DataPointCount())
		return end.TotalAlloc - start.TotalAlloc
	}
	require.Less(t, allocated(2000), 2*allocated(1))
}

func allMetrics() *Config {
	cfg := newDefaultConfig()
	metrics := reflect.ValueOf(&cfg.Metrics).Elem()
	for i := range metrics.NumField() {
		metrics.Field(i).FieldByName("Enabled").SetBool(true)
	}
	return cfg
}

// manyTunnels has n tunnels, with an association in each direction.
func manyTunnels(n int, now time.Time) *tunnel.Accumulator {
	sums := tunnel.New(tunnel.Options{Limit: n})
	sums.BeginDump(now, nil, false)
	here := netip.MustParseAddr("10.0.0.1")
	for i := range n {
		there := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		sa := xfrmnl.SA{
			ID:     xfrmnl.ID{Destination: there, SPI: uint32(i), Protocol: xfrmnl.ProtocolESP},
			Source: here, Mode: 1, ReqID: uint32(i), Direction: xfrmnl.DirectionOut,
			Limits: xfrmnl.Limits{SinceAdded: 3600}, Added: uint64(now.Unix()) - 100, LastUsed: uint64(now.Unix()) - 1,
		}
		sums.Row(&sa)
		sa.Destination, sa.Source, sa.Direction = here, there, xfrmnl.DirectionIn
		sums.Row(&sa)
	}
	sums.EndDump(now)
	return sums
}
