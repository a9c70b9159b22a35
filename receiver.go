package xfrmreceiver

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
)

// xfrmReceiver is scraperhelper's controller, whose Shutdown ends a scrape that
// is under way: the helper itself waits for its end.
type xfrmReceiver struct {
	receiver.Metrics
	scraper *xfrmScraper
}

// ScrapeMetrics reads all namespaces once, outside of the interval. It makes the
// receiver a scraper.Metrics, for benchmarks. It must not be called while the
// receiver runs.
func (r *xfrmReceiver) ScrapeMetrics(ctx context.Context) (pmetric.Metrics, error) {
	return r.scraper.scrape(ctx)
}

// Shutdown ends a scrape between two namespaces, without emitting any of it,
// and waits for that.
func (r *xfrmReceiver) Shutdown(ctx context.Context) error {
	r.scraper.stop()
	return r.Metrics.Shutdown(ctx)
}

var _ scraper.Metrics = (*xfrmReceiver)(nil)

func newReceiver(set receiver.Settings, cfg *Config, source source, next consumer.Metrics) (receiver.Metrics, error) {
	s := newScraper(set, cfg, source)
	metrics, err := scraper.NewMetrics(s.scrape, scraper.WithStart(s.start))
	if err != nil {
		return nil, err
	}
	set.Logger = withoutScrapeErrors(set.Logger)
	// The helper's timeout would end the hand-over of what was read in time, too.
	controllerConfig := cfg.ControllerConfig
	controllerConfig.Timeout = 0
	controller, err := scraperhelper.NewMetricsController(&controllerConfig, set, next,
		scraperhelper.AddMetricsScraper(metadata.Type, metrics))
	if err != nil {
		return nil, err
	}
	return &xfrmReceiver{Metrics: controller, scraper: s}, nil
}
