// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// tunnelTime is when the points are recorded.
var tunnelTime = time.Unix(1_000_100, 0)

// recorded are the points of tunnels: the metric and the values of the attributes
// that tell them apart, and the value.
func recorded(t *testing.T, tunnels ...*tunnel.Tunnel) map[string]any {
	t.Helper()
	got := map[string]any{}
	for key, dp := range recordedPoints(t, tunnels...) {
		if dp.ValueType() == pmetric.NumberDataPointValueTypeInt {
			got[key] = dp.IntValue()
		} else {
			got[key] = dp.DoubleValue()
		}
	}
	return got
}

func recordedPoints(t *testing.T, tunnels ...*tunnel.Tunnel) map[string]pmetric.NumberDataPoint {
	t.Helper()
	return recordedWith(t, allMetrics(), tunnels...)
}

func recordedWith(t *testing.T, cfg *Config, tunnels ...*tunnel.Tunnel) map[string]pmetric.NumberDataPoint {
	t.Helper()
	s := newScraper(receivertest.NewNopSettings(metadata.Type), cfg, nil)
	for _, one := range tunnels {
		s.recordTunnel(one, tunnelTime)
	}
	got := map[string]pmetric.NumberDataPoint{}
	for _, rm := range s.builder.Emit().ResourceMetrics().All() {
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			var points pmetric.NumberDataPointSlice
			if metric.Type() == pmetric.MetricTypeSum {
				points = metric.Sum().DataPoints()
			} else {
				points = metric.Gauge().DataPoints()
			}
			for _, dp := range points.All() {
				key := strings.TrimPrefix(metric.Name(), "xfrm.tunnel.")
				for _, attribute := range []string{"direction", "reason"} {
					if value, ok := dp.Attributes().Get(attribute); ok {
						key += " " + value.AsString()
					}
				}
				require.NotContains(t, got, key)
				got[key] = dp
			}
		}
	}
	return got
}

func testTunnel() *tunnel.Tunnel {
	return &tunnel.Tunnel{
		Key: tunnel.Key{
			Local: netip.MustParseAddr("10.0.0.1"), Peer: netip.MustParseAddr("2001:db8::1"),
			Protocol: xfrmnl.ProtocolESP, Mode: 1, ReqID: 7,
		},
		Start: time.Unix(1_000_000, 0),
	}
}

func TestTunnelPoints(t *testing.T) {
	one := testTunnel()
	one.Traffic[tunnel.Inbound] = &tunnel.Traffic{
		Bytes: 1, Packets: 2, Created: 3, Associations: 4, Age: 5, Lifetime: 0.6, HasLifetime: true, LastUsed: 1_000_093,
	}
	one.Traffic[tunnel.Outbound] = &tunnel.Traffic{Bytes: 11, Packets: 12, Created: 13, Associations: 14, Age: 15}
	one.Replay, one.ReplayWindow, one.IntegrityFailed = 21, 22, 23
	one.Sequence, one.HasSequence = 0.5, true
	assert.Equal(t, map[string]any{
		"io inbound": int64(1), "packet.count inbound": int64(2), "sa.created inbound": int64(3), "sa.count inbound": int64(4),
		"sa.age inbound": 5.0, "sa.lifetime.utilization inbound": 0.6, "idle_time inbound": 7.0,
		"io outbound": int64(11), "packet.count outbound": int64(12), "sa.created outbound": int64(13), "sa.count outbound": int64(14),
		"sa.age outbound":       15.0,
		"packet.dropped replay": int64(21), "packet.dropped replay_window": int64(22), "packet.dropped integrity_failed": int64(23),
		"sequence.utilization": 0.5,
	}, recorded(t, one))
	for key, dp := range recordedPoints(t, one) {
		assert.Equal(t, tunnelTime, dp.Timestamp().AsTime().Local(), key)
		if !strings.Contains(key, "age") && !strings.Contains(key, "utilization") && !strings.Contains(key, "idle") {
			assert.Equal(t, one.Start, dp.StartTimestamp().AsTime().Local(), key)
		}
	}
}

// Of the metrics of tunnels, omit_zero omits only packets that were dropped.
func TestOmitZeroOfTunnels(t *testing.T) {
	one := testTunnel()
	one.Traffic[tunnel.Inbound] = &tunnel.Traffic{}
	one.ReplayWindow = 1
	cfg := allMetrics()
	cfg.OmitZero = true
	points := recordedWith(t, cfg, one)
	assert.ElementsMatch(t, []string{
		"io inbound", "packet.count inbound", "sa.created inbound", "sa.count inbound", "packet.dropped replay_window",
	}, slices.Collect(maps.Keys(points)))
	assert.EqualValues(t, 1, points["packet.dropped replay_window"].IntValue())
}

// A tunnel that has lost its associations is reported with its sums, without what
// only an association has.
func TestTunnelWithoutAssociations(t *testing.T) {
	one := testTunnel()
	one.Traffic[tunnel.Outbound] = &tunnel.Traffic{Bytes: 11, Packets: 12, Created: 13, Age: 99, Lifetime: 1, HasLifetime: true, LastUsed: 1_000_200}
	assert.Equal(t, map[string]any{
		"io outbound": int64(11), "packet.count outbound": int64(12), "sa.created outbound": int64(13), "sa.count outbound": int64(0),
		"idle_time outbound": 0.0, // the clock was set back
	}, recorded(t, one))
}

func TestOverflowPoints(t *testing.T) {
	one := &tunnel.Tunnel{Overflow: true, Start: time.Unix(1, 0), Replay: 5, HasSequence: true}
	one.Traffic[tunnel.Inbound] = &tunnel.Traffic{Bytes: 1, Packets: 2, Created: 3, Associations: 4, LastUsed: 9, HasLifetime: true}
	points := recordedPoints(t, one)
	assert.Len(t, points, 7)
	for key, dp := range points {
		want := map[string]any{"otel.metric.overflow": true}
		if d, ok := dp.Attributes().Get("direction"); ok {
			want["direction"] = d.AsString()
		}
		if r, ok := dp.Attributes().Get("reason"); ok {
			want["reason"] = r.AsString()
		}
		assert.Equal(t, want, dp.Attributes().AsRaw(), key)
	}
}

func TestTunnelAttributes(t *testing.T) {
	attributes := func(change func(*tunnel.Tunnel)) map[string]any {
		one := testTunnel()
		one.HasSequence = true
		change(one)
		return recordedPoints(t, one)["sequence.utilization"].Attributes().AsRaw()
	}
	base := map[string]any{
		"network.local.address": "10.0.0.1", "network.peer.address": "2001:db8::1",
		"xfrm.protocol": "esp", "xfrm.mode": "tunnel", "xfrm.reqid": int64(7),
	}
	with := func(more map[string]any) map[string]any {
		for key, value := range base {
			if _, ok := more[key]; !ok {
				more[key] = value
			}
		}
		return more
	}
	for name, c := range map[string]struct {
		change func(*tunnel.Tunnel)
		want   map[string]any
	}{
		"plain":        {func(*tunnel.Tunnel) {}, map[string]any{}},
		"if_id":        {func(t *tunnel.Tunnel) { t.IfID = 42 }, map[string]any{"xfrm.if_id": int64(42)}},
		"mark":         {func(t *tunnel.Tunnel) { t.Mark, t.MarkMask = 42, 0xffffffff }, map[string]any{"xfrm.mark": "0x2a/0xffffffff"}},
		"mark of 0":    {func(t *tunnel.Tunnel) { t.MarkMask = 0xf00 }, map[string]any{"xfrm.mark": "0/0xf00"}},
		"interface":    {func(t *tunnel.Tunnel) { t.Interface = "ipsec0" }, map[string]any{"network.interface.name": "ipsec0"}},
		"ah":           {func(t *tunnel.Tunnel) { t.Protocol = xfrmnl.ProtocolAH }, map[string]any{"xfrm.protocol": "ah"}},
		"ipcomp":       {func(t *tunnel.Tunnel) { t.Protocol = xfrmnl.ProtocolIPComp }, map[string]any{"xfrm.protocol": "ipcomp"}},
		"transport":    {func(t *tunnel.Tunnel) { t.Mode = 0 }, map[string]any{"xfrm.mode": "transport"}},
		"beet":         {func(t *tunnel.Tunnel) { t.Mode = 4 }, map[string]any{"xfrm.mode": "beet"}},
		"iptfs":        {func(t *tunnel.Tunnel) { t.Mode = 5 }, map[string]any{"xfrm.mode": "iptfs"}},
		"unknown mode": {func(t *tunnel.Tunnel) { t.Mode = 9 }, map[string]any{"xfrm.mode": "9"}},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, with(c.want), attributes(c.change)) })
	}
}
