package xfrmreceiver

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// source reads xfrm_stat in every namespace that is asked for and hands each to
// visit.
type source interface {
	// Check fails if what the configuration names is not there at the start.
	Check() error
	// Visit stops between two namespaces when ctx ends, and hands over with
	// netns.ErrUnread what it did not read.
	Visit(ctx context.Context, visit func(netns.Reading))
}

var errShutdown = errors.New("the receiver is shutting down")

// xfrmScraper turns what the source reads into metrics: read, parse, emit.
type xfrmScraper struct {
	source   source
	parser   xfrmstat.Parser
	counters []xfrmstat.Counter
	emitter  *emitter
	log      *scrapeLog
	timeout  time.Duration

	stopping context.Context
	// stop ends a scrape that is under way and lets no other begin.
	stop context.CancelFunc
}

func newScraper(set receiver.Settings, cfg *Config, source source) *xfrmScraper {
	s := &xfrmScraper{
		source:  source,
		emitter: newEmitter(cfg, set),
		log:     newScrapeLog(set.Logger),
		timeout: cfg.Timeout,
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *xfrmScraper) start(context.Context, component.Host) error { return s.source.Check() }

// scrape reads all namespaces once. What fails costs only itself: the error is
// partial, and says how many points are missing.
func (s *xfrmScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	ctx, cancel := s.limit(ctx)
	defer cancel()
	run := scrapeRun{
		xfrmScraper: s,
		metrics:     pmetric.NewMetrics(),
	}
	if s.stopping.Err() != nil {
		return pmetric.NewMetrics(), errShutdown
	}
	s.source.Visit(ctx, run.visit)
	if s.stopping.Err() != nil {
		s.log.ended()
		return pmetric.NewMetrics(), errShutdown
	}
	failed := run.failures.list()
	s.log.report(failed)
	return run.metrics, asError(failed)
}

// limit ends a scrape at the shutdown, and after the timeout.
func (s *xfrmScraper) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	cancel := func() {}
	if ctx.Done() == nil { // as scraperhelper's: it never ends
		ctx = s.stopping
	} else {
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		unlink := context.AfterFunc(s.stopping, end)
		cancel = func() { unlink(); end() }
	}
	if s.timeout > 0 {
		unlimited := cancel
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, s.timeout)
		cancel = func() { end(); unlimited() }
	}
	return ctx, cancel
}

// scrapeRun is one scrape under way.
type scrapeRun struct {
	*xfrmScraper
	metrics  pmetric.Metrics
	failures failures
}

func (r *scrapeRun) visit(reading netns.Reading) {
	err := reading.Err
	switch {
	case err == nil:
		r.parse(reading)
	case errors.Is(err, netns.ErrNoStatistics):
		r.log.statisticsMissing(reading.File, err)
	case errors.Is(err, netns.ErrNoNamespace):
		r.log.skipped(reading.File, err)
	case errors.Is(err, netns.ErrNoDirectory):
		r.log.directoryMissing(reading.File, err)
	default:
		points := 1
		if reading.Namespace != nil {
			points = max(1, reading.Namespace.Points)
		}
		r.failures.ofNamespace(reading.Namespace, reading.File, err, points)
	}
}

func (r *scrapeRun) parse(reading netns.Reading) {
	r.log.statisticsFound(reading.File)
	var bad *xfrmstat.BadLines
	r.counters, bad = r.parser.Parse(r.counters[:0], reading.Data)
	if bad != nil {
		r.failures.badLines(reading.File, bad)
	}
	for i := range r.counters {
		if name := r.counters[i].Name; !name.Known {
			r.log.newCounter(name)
		}
	}
	reading.Namespace.Points = r.emitter.add(r.metrics, reading.Namespace, r.counters, pcommon.NewTimestampFromTime(time.Now()))
}
