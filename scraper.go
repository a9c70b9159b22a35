package xfrmreceiver

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// source reads xfrm_stat in every namespace that is asked for and hands each to
// visit. It returns an error only if it was ended before it had read them all.
type source interface {
	Visit(ctx context.Context, visit func(netns.Reading)) error
}

var errShutdown = errors.New("the receiver is shutting down")

// xfrmScraper turns what the source reads into metrics: read, parse, emit.
type xfrmScraper struct {
	source   source
	parser   xfrmstat.Parser
	counters []xfrmstat.Counter
	emitter  *emitter
	log      *scrapeLog
	// points is how many points a namespace gave the last time.
	points map[*netns.Namespace]int

	stopping context.Context
	cancel   context.CancelCauseFunc
}

func newScraper(set receiver.Settings, cfg *Config, source source) *xfrmScraper {
	s := &xfrmScraper{
		source:  source,
		emitter: newEmitter(cfg, set),
		log:     newScrapeLog(set.Logger),
		points:  make(map[*netns.Namespace]int),
	}
	s.stopping, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// stop ends a scrape that is under way and lets no other begin.
func (s *xfrmScraper) stop() { s.cancel(errShutdown) }

// scrape reads all namespaces once. What fails costs only itself: the error is
// partial, and says how many points are missing.
func (s *xfrmScraper) scrape(ctx context.Context) (pmetric.Metrics, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.stopping, func() { cancel(errShutdown) })()

	md := pmetric.NewMetrics()
	var failed failures
	err := s.source.Visit(ctx, func(r netns.Reading) { s.visit(md, r, &failed) })
	if errors.Is(err, errShutdown) {
		return pmetric.NewMetrics(), err
	}
	if err != nil {
		failed.add(failure{err: err, points: 1})
	}
	s.log.report(failed)
	return md, failed.asError()
}

func (s *xfrmScraper) visit(md pmetric.Metrics, r netns.Reading, failed *failures) {
	if errors.Is(r.Err, netns.ErrNoStatistics) {
		s.log.statisticsMissing(r.File, r.Err)
		return
	}
	if r.Err != nil {
		failed.add(failure{err: r.Err, points: max(1, s.points[r.Namespace])})
		return
	}
	s.log.statisticsFound(r.File)

	var bad *xfrmstat.BadLines
	s.counters, bad = s.parser.Parse(s.counters[:0], r.Data)
	if bad != nil {
		failed.add(badLines(r.File, bad))
	}
	for i := range s.counters {
		if name := s.counters[i].Name; !name.Known {
			s.log.newCounter(name)
		}
	}
	s.points[r.Namespace] = len(s.counters)
	s.emitter.add(md, r.Namespace, s.counters, pcommon.NewTimestampFromTime(time.Now()))
}
