// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.uber.org/zap"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
)

// xfrmReceiver is scraperhelper's controller with a Shutdown that ends a scrape
// that is under way. The controller itself waits for its end.
type xfrmReceiver struct {
	receiver.Metrics
	scraper *xfrmScraper
}

// Shutdown ends a scrape between two namespaces, without emitting any of it, and
// waits for that.
func (r *xfrmReceiver) Shutdown(ctx context.Context) error {
	r.scraper.stop()
	err := r.Metrics.Shutdown(ctx)
	r.scraper.close()
	return err
}

func newReceiver(set receiver.Settings, cfg *Config, source source, next consumer.Metrics,
	options ...scraperhelper.ControllerOption,
) (receiver.Metrics, error) {
	s := newScraper(set, cfg, source)
	metrics, err := scraper.NewMetrics(s.scrape, scraper.WithStart(s.start))
	if err != nil {
		return nil, err
	}
	// The controller logs each failed scrape again, at error level and with a stack
	// (scraperhelper/obs_metrics.go). The scraper logs a failure once.
	set.Logger = zap.NewNop()
	// The controller's timeout would also end the hand-over of what was read in
	// time. The scraper applies it to reading only.
	controllerConfig := cfg.ControllerConfig
	controllerConfig.Timeout = 0
	controller, err := scraperhelper.NewMetricsController(&controllerConfig, set, next,
		append(options, scraperhelper.AddMetricsScraper(metadata.Type, metrics))...)
	if err != nil {
		return nil, err
	}
	return &xfrmReceiver{Metrics: controller, scraper: s}, nil
}
