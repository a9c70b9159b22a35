package xfrmreceiver

import (
	"math"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// emitter writes the counters of a namespace into pdata.
//
// The builder that mdatagen generates makes everything around the data points
// and applies the user's settings of the metric and of the resource attributes.
// The points are written here, because the generated code compares each with
// all earlier ones, at a higher cost than reading the file.
type emitter struct {
	builder *metadata.MetricsBuilder
	// shell is a resource with the metric and no data point.
	shell pmetric.ResourceMetrics
	// filtered says that the user's filters can drop resources.
	filtered      bool
	metric        metadata.XfrmPacketDroppedMetricConfig
	omitZero      bool
	withDirection bool
	withReason    bool
	points        []point
}

// point is a data point to be: one counter, or several that agree in the
// attributes that the user kept.
type point struct {
	direction xfrmstat.Direction
	reason    string
	value     int64
	// counters is how many were aggregated.
	counters int64
}

func newEmitter(cfg *Config, set receiver.Settings) *emitter {
	metric := cfg.Metrics.XfrmPacketDropped
	e := &emitter{
		filtered:      hasFilters(&cfg.ResourceAttributes),
		builder:       metadata.NewMetricsBuilder(cfg.MetricsBuilderConfig, set),
		metric:        metric,
		omitZero:      cfg.OmitZero,
		withDirection: slices.Contains(metric.EnabledAttributes, metadata.XfrmPacketDroppedMetricAttributeKeyDirection),
		withReason:    slices.Contains(metric.EnabledAttributes, metadata.XfrmPacketDroppedMetricAttributeKeyReason),
	}
	if metric.Enabled {
		e.shell = e.newShell()
	}
	return e
}

// newShell takes from the generated builder what that makes around the points. One
// point makes it emit the metric.
func (e *emitter) newShell() pmetric.ResourceMetrics {
	e.builder.RecordXfrmPacketDroppedDataPoint(0, 0, metadata.AttributeDirectionUnknown, "")
	shell := e.builder.Emit().ResourceMetrics().At(0)
	pointsOf(shell).RemoveIf(func(pmetric.NumberDataPoint) bool { return true })
	return shell
}

func pointsOf(rm pmetric.ResourceMetrics) pmetric.NumberDataPointSlice {
	return rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
}

// hasFilters reports whether any resource attribute has a filter.
func hasFilters(cfg *metadata.ResourceAttributesConfig) bool {
	for _, a := range []metadata.ResourceAttributeConfig{cfg.ContainerID, cfg.K8sPodUID, cfg.NetnsName, cfg.ProcessPid} {
		if a.MetricsInclude != nil || a.MetricsExclude != nil {
			return true
		}
	}
	return false
}

// passes asks the generated builder whether the user's filters let a namespace
// through.
func (e *emitter) passes(ns *netns.Namespace) bool {
	if !e.filtered {
		return true
	}
	e.builder.RecordXfrmPacketDroppedDataPoint(0, 0, metadata.AttributeDirectionUnknown, "")
	return e.builder.Emit(metadata.WithResource(e.resource(ns))).ResourceMetrics().Len() > 0
}

// add appends the resource of a namespace with its counters to md, and returns
// how many points it has.
func (e *emitter) add(md pmetric.Metrics, ns *netns.Namespace, counters []xfrmstat.Counter, now pcommon.Timestamp) int {
	if !e.metric.Enabled || len(counters) == 0 {
		return 0
	}
	e.aggregate(counters)
	if e.omitZero {
		e.points = slices.DeleteFunc(e.points, func(p point) bool { return p.value == 0 })
		if len(e.points) == 0 {
			return 0
		}
	}

	if !e.passes(ns) {
		return 0
	}
	rm := md.ResourceMetrics().AppendEmpty()
	e.shell.CopyTo(rm)
	if !ns.Bare() {
		e.resource(ns).MoveTo(rm.Resource())
	}
	e.fill(pointsOf(rm), notAfter(ns.Start, now), now)
	return len(e.points)
}

// resource is what tells the namespace apart.
func (e *emitter) resource(ns *netns.Namespace) pcommon.Resource {
	rb := e.builder.NewResourceBuilder()
	if ns.Name != "" {
		rb.SetNetnsName(ns.Name)
	}
	if ns.PodUID != "" {
		rb.SetK8sPodUID(ns.PodUID)
	}
	if ns.ContainerID != "" {
		rb.SetContainerID(ns.ContainerID)
	}
	if ns.PID != 0 {
		rb.SetProcessPid(int64(ns.PID))
	}
	return rb.Emit()
}

// aggregate leaves in e.points what the user's attributes and
// aggregation_strategy make of the counters.
func (e *emitter) aggregate(counters []xfrmstat.Counter) {
	e.points = e.points[:0]
	if e.withDirection && e.withReason {
		for _, c := range counters {
			e.points = append(e.points, point{direction: c.Name.Direction, reason: c.Name.Reason, value: c.Value})
		}
		return
	}
	type key struct {
		direction xfrmstat.Direction
		reason    string
	}
	index := make(map[key]int)
	for _, c := range counters {
		var k key
		if e.withDirection {
			k.direction = c.Name.Direction
		}
		if e.withReason {
			k.reason = c.Name.Reason
		}
		i, ok := index[k]
		if !ok {
			index[k] = len(e.points)
			e.points = append(e.points, point{direction: k.direction, reason: k.reason, value: c.Value, counters: 1})
			continue
		}
		e.points[i].merge(c.Value, e.metric.AggregationStrategy)
	}
	if e.metric.AggregationStrategy == metadata.AggregationStrategyAvg {
		for i := range e.points {
			e.points[i].value /= e.points[i].counters
		}
	}
}

func (p *point) merge(value int64, strategy string) {
	p.counters++
	switch strategy {
	case metadata.AggregationStrategyMin:
		p.value = min(p.value, value)
	case metadata.AggregationStrategyMax:
		p.value = max(p.value, value)
	default:
		// A sum stops at the largest value rather than turn negative.
		p.value += min(value, math.MaxInt64-p.value)
	}
}

func (e *emitter) fill(dps pmetric.NumberDataPointSlice, start, now pcommon.Timestamp) {
	dps.EnsureCapacity(len(e.points))
	for _, p := range e.points {
		dp := dps.AppendEmpty()
		dp.SetStartTimestamp(start)
		dp.SetTimestamp(now)
		dp.SetIntValue(p.value)
		attributes := dp.Attributes()
		attributes.EnsureCapacity(2)
		if e.withDirection {
			attributes.PutStr(string(metadata.XfrmPacketDroppedMetricAttributeKeyDirection), p.direction.String())
		}
		if e.withReason {
			attributes.PutStr(string(metadata.XfrmPacketDroppedMetricAttributeKeyReason), p.reason)
		}
	}
}

// notAfter keeps a start timestamp from lying after its point's own time, which
// it would when the clock was set back.
func notAfter(start time.Time, now pcommon.Timestamp) pcommon.Timestamp {
	return min(pcommon.NewTimestampFromTime(start), now)
}
