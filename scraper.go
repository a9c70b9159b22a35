// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// source reads xfrm_stat in every selected namespace and passes each to visit, the
// main one first.
type source interface {
	// Check fails if what the configuration names does not exist at the start.
	Check() error
	// Visit stops between two namespaces when ctx ends, and reports with
	// netns.ErrUnread what it did not read.
	Visit(ctx context.Context, visit func(netns.Reading))
}

var errShutdown = errors.New("the receiver is shutting down")

// xfrmScraper reads, parses, records and emits.
type xfrmScraper struct {
	source     source
	parser     xfrmstat.Parser
	newBuilder func() *metadata.MetricsBuilder
	builder    *metadata.MetricsBuilder
	omitZero   bool
	timeout    time.Duration
	starts     *starts
	failures   *failures
	// associations is nil if no metric of associations or policies is enabled.
	associations *associations.Reader

	// emitted is what was collected in this scrape.
	emitted pmetric.Metrics
	// read counts the namespaces that this scrape has read.
	read int64
	// counters are those of the namespace that was read last, mainCounters those
	// of the main one, which is emitted last.
	counters, mainCounters []xfrmstat.Counter
	main                   *netns.Namespace
	mainTime               pcommon.Timestamp
	mainAssociations       *associations.Namespace

	stopping context.Context
	// stop ends a scrape that is under way and lets no other begin.
	stop context.CancelFunc
}

func newScraper(set receiver.Settings, cfg *Config, source source) *xfrmScraper {
	s := &xfrmScraper{
		source:     source,
		newBuilder: func() *metadata.MetricsBuilder { return metadata.NewMetricsBuilder(cfg.MetricsBuilderConfig, set) },
		omitZero:   cfg.OmitZero,
		timeout:    cfg.Timeout,
		failures:   newFailures(set.Logger),
		emitted:    pmetric.NewMetrics(),
	}
	s.builder = s.newBuilder()
	if cfg.wantsAssociations() {
		s.associations = associations.NewReader(associations.Options{
			Counts:  cfg.wantsCounts(),
			Tunnels: cfg.wantsTunnels(),
			Limits:  tunnel.Options{Limit: cfg.Tunnels.Limit, ForgetAfter: cfg.Tunnels.ForgetAfter},
		})
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *xfrmScraper) start(context.Context, component.Host) (err error) {
	if s.starts, err = newStarts(bootTime); err != nil {
		return err
	}
	return s.source.Check()
}

// close ends what goes on between two scrapes.
func (s *xfrmScraper) close() {
	if s.associations != nil {
		s.associations.Close()
	}
}

// scrape reads all namespaces once. The error is partial, and counts the points
// that are missing: what fails costs only itself.
func (s *xfrmScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	if s.timeout > 0 {
		var cancelTimeout context.CancelFunc
		ctx, cancelTimeout = context.WithTimeout(ctx, s.timeout)
		defer cancelTimeout()
	}
	if s.stopping.Err() != nil {
		return pmetric.NewMetrics(), errShutdown
	}
	s.read, s.main, s.mainCounters, s.mainAssociations = 0, nil, s.mainCounters[:0], nil
	s.source.Visit(ctx, func(r netns.Reading) { s.visit(ctx, r) })
	s.emitMain()
	s.starts.endScrape()
	if s.associations != nil {
		s.associations.EndScrape()
	}
	metrics := s.take()
	if s.stopping.Err() != nil {
		s.failures.interrupted()
		return pmetric.NewMetrics(), errShutdown
	}
	return metrics, s.failures.report()
}

// collect takes out of the builder what was emitted.
func (s *xfrmScraper) collect() {
	s.builder.Emit().ResourceMetrics().MoveAndAppendTo(s.emitted.ResourceMetrics())
}

// take returns all that was emitted.
func (s *xfrmScraper) take() pmetric.Metrics {
	s.collect()
	metrics := s.emitted
	s.emitted = pmetric.NewMetrics()
	return metrics
}

// visit handles one namespace. It must not block.
func (s *xfrmScraper) visit(ctx context.Context, r netns.Reading) {
	counters := s.parse(r)
	read := s.readAssociations(ctx, r)
	if r.Err != nil && read == nil {
		return
	}
	s.read++
	now := time.Now()
	if r.Namespace.IsMain() {
		s.main, s.mainTime = r.Namespace, pcommon.NewTimestampFromTime(now)
		s.mainCounters = append(s.mainCounters, counters...)
		s.mainAssociations = read
		return
	}
	s.record(r.Namespace, counters, pcommon.NewTimestampFromTime(now))
	s.recordAssociations(read, now)
	s.emit(r.Namespace)
}

// parse returns the counters of a namespace.
func (s *xfrmScraper) parse(r netns.Reading) []xfrmstat.Counter {
	if r.Err != nil {
		s.failures.add(r, s.starts.points(r.Namespace))
		return nil
	}
	var bad *xfrmstat.BadLines
	s.counters, bad = s.parser.Parse(s.counters[:0], r.Data)
	s.failures.addBadLines(r, bad)
	s.failures.noteRead(r.File, s.counters)
	return s.counters
}

// emitMain emits the main namespace after all others, because its resource has
// the number of namespaces that were read.
func (s *xfrmScraper) emitMain() {
	now := time.Now()
	if s.main != nil {
		s.record(s.main, s.mainCounters, s.mainTime)
		s.recordAssociations(s.mainAssociations, now)
	}
	ts := pcommon.NewTimestampFromTime(now)
	s.starts.at(ts)
	s.builder.Reset(metadata.WithStartTime(s.starts.boot))
	s.builder.RecordXfrmNetnsCountDataPoint(ts, s.read)
	s.emit(&netns.Namespace{})
}

func (s *xfrmScraper) record(ns *netns.Namespace, counters []xfrmstat.Counter, now pcommon.Timestamp) {
	resource := s.starts.of(ns, now)
	for _, c := range counters {
		start := resource.of(c, s.starts.boot, now)
		if s.omitZero && c.Value == 0 {
			continue
		}
		s.builder.Reset(metadata.WithStartTime(start))
		s.builder.RecordXfrmPacketDroppedDataPoint(now, c.Value, direction[c.Name.Direction], c.Name.Reason)
		resource.points++
	}
}

func (s *xfrmScraper) emit(ns *netns.Namespace) {
	rb := s.builder.NewResourceBuilder()
	set := func(set func(string), value string) {
		if value != "" {
			set(value)
		}
	}
	set(rb.SetNetnsName, ns.Name)
	set(rb.SetK8sPodUID, ns.PodUID)
	set(rb.SetContainerID, ns.ContainerID)
	set(rb.SetContainerName, ns.ContainerName)
	set(rb.SetSystemdUnitName, ns.Unit)
	if ns.PID != 0 {
		rb.SetProcessPid(int64(ns.PID))
	}
	s.builder.EmitForResource(metadata.WithResource(rb.Emit()))
	if s.associations != nil {
		// A builder gives the metrics of each resource as much room as the largest one
		// so far has needed: many tunnels in one namespace would make all others large.
		s.collect()
		s.builder = s.newBuilder()
	}
}

var direction = map[xfrmstat.Direction]metadata.AttributeDirection{
	xfrmstat.Inbound:  metadata.AttributeDirectionInbound,
	xfrmstat.Outbound: metadata.AttributeDirectionOutbound,
	xfrmstat.Unknown:  metadata.AttributeDirectionUnknown,
}
