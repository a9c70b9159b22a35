package main

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper"

	"github.com/xfrmreceiver/xfrmreceiver"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// readAndParse returns our reader with our parser.
func readAndParse() func() {
	source := must(netns.NewSource(netns.Options{}))
	var parser xfrmstat.Parser
	var counters []xfrmstat.Counter
	visit := func(r netns.Reading) {
		check(r.Err)
		counters, _ = parser.Parse(counters[:0], r.Data)
	}
	return func() { source.Visit(context.Background(), visit) }
}

// scrape returns a whole scrape of a receiver with the configuration, up to the
// finished metrics.
func scrape(configure func(*xfrmreceiver.Config)) func() pmetric.Metrics {
	factory := xfrmreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*xfrmreceiver.Config)
	if configure != nil {
		configure(cfg)
	}
	set := receivertest.NewNopSettings(component.MustNewType("xfrm"))
	r := must(factory.CreateMetrics(context.Background(), set, cfg, consumertest.NewNop()))
	s := r.(scraper.Metrics)
	return func() pmetric.Metrics { return must(s.ScrapeMetrics(context.Background())) }
}
