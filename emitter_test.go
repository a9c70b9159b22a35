package xfrmreceiver

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatatest/pmetrictest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

var generatedDirection = map[xfrmstat.Direction]metadata.AttributeDirection{
	xfrmstat.Unknown:  metadata.AttributeDirectionUnknown,
	xfrmstat.Inbound:  metadata.AttributeDirectionInbound,
	xfrmstat.Outbound: metadata.AttributeDirectionOutbound,
}

// someCounters are all that are known and one that is not, with random values.
func someCounters() []xfrmstat.Counter {
	var counters []xfrmstat.Counter
	names := append(xfrmstat.KernelNames(), xfrmstat.ParseName("XfrmFutureError"))
	for i := range names {
		counters = append(counters, xfrmstat.Counter{Name: &names[i], Value: rand.Int64N(1000)})
	}
	return counters
}

// The emitter means the user's settings exactly as the generated code does.
func TestEmitterAgreesWithGeneratedBuilder(t *testing.T) {
	const (
		direction = metadata.XfrmPacketDroppedMetricAttributeKeyDirection
		reason    = metadata.XfrmPacketDroppedMetricAttributeKeyReason
	)
	now := pcommon.NewTimestampFromTime(time.Now())
	ns := &netns.Namespace{Start: now.AsTime().Add(-time.Hour)}
	counters := someCounters()
	zeroes := someCounters()
	for i := range zeroes {
		if i%3 != 0 {
			zeroes[i].Value = 0
		}
	}
	for _, enabled := range []bool{true, false} {
		for _, attributes := range [][]metadata.XfrmPacketDroppedMetricAttributeKey{
			{direction, reason}, {reason, direction}, {direction}, {reason}, {},
		} {
			for _, strategy := range []string{
				metadata.AggregationStrategySum, metadata.AggregationStrategyAvg,
				metadata.AggregationStrategyMin, metadata.AggregationStrategyMax,
			} {
				t.Run(fmt.Sprint(enabled, attributes, strategy), func(t *testing.T) {
					cfg := newDefaultConfig()
					cfg.Metrics.XfrmPacketDropped.Enabled = enabled
					cfg.Metrics.XfrmPacketDropped.EnabledAttributes = attributes
					cfg.Metrics.XfrmPacketDropped.AggregationStrategy = strategy
					require.NoError(t, cfg.Metrics.XfrmPacketDropped.Validate())
					want := record(cfg, ns, counters, now)
					assert.Equal(t, enabled, want.DataPointCount() > 0)
					require.NoError(t, pmetrictest.CompareMetrics(want, emit(cfg, ns, counters, now)))

					// With omit_zero the same, less the points that are zero.
					cfg.OmitZero = true
					want = record(cfg, ns, zeroes, now)
					want.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
						dps := rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
						dps.RemoveIf(func(dp pmetric.NumberDataPoint) bool { return dp.IntValue() == 0 })
						return dps.Len() == 0
					})
					require.NoError(t, pmetrictest.CompareMetrics(want, emit(cfg, ns, zeroes, now)))
				})
			}
		}
	}
}

// record makes the metrics with the generated builder.
func record(cfg *Config, ns *netns.Namespace, counters []xfrmstat.Counter, now pcommon.Timestamp) pmetric.Metrics {
	builder := metadata.NewMetricsBuilder(cfg.MetricsBuilderConfig, receivertest.NewNopSettings(metadata.Type))
	for _, c := range counters {
		builder.RecordXfrmPacketDroppedDataPoint(now, c.Value, generatedDirection[c.Name.Direction], c.Name.Reason)
	}
	return builder.Emit(metadata.WithStartTimeOverride(pcommon.NewTimestampFromTime(ns.Start)))
}

func emit(cfg *Config, ns *netns.Namespace, counters []xfrmstat.Counter, now pcommon.Timestamp) pmetric.Metrics {
	md := pmetric.NewMetrics()
	newEmitter(cfg, receivertest.NewNopSettings(metadata.Type)).add(md, ns, counters, now)
	return md
}

func TestEmitterSumStopsAtLargestValue(t *testing.T) {
	cfg := newDefaultConfig()
	cfg.Metrics.XfrmPacketDropped.EnabledAttributes = nil
	in, out := xfrmstat.ParseName("XfrmInError"), xfrmstat.ParseName("XfrmOutError")
	md := pmetric.NewMetrics()
	newEmitter(cfg, receivertest.NewNopSettings(metadata.Type)).add(md, &netns.Namespace{}, []xfrmstat.Counter{
		{Name: &in, Value: math.MaxInt64 - 1}, {Name: &out, Value: 5},
	}, 1)
	require.Equal(t, 1, md.DataPointCount())
	assert.Equal(t, int64(math.MaxInt64),
		md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).IntValue())
}

func TestStartIsNotAfterThePoint(t *testing.T) {
	now := time.Now()
	ts := pcommon.NewTimestampFromTime(now)
	assert.Equal(t, ts, notAfter(now.Add(time.Hour), ts))
	assert.Equal(t, pcommon.NewTimestampFromTime(now.Add(-time.Hour)), notAfter(now.Add(-time.Hour), ts))
}
