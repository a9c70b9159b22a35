// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver"
)

// startReceiver starts a receiver as the collector does. Each call of scrape lets
// it scrape once and returns the metrics that it hands to its consumer.
//
// The interval is always over when a scrape ends. The consumer holds the receiver
// back until the next scrape is asked for.
func startReceiver(configure func(*xfrmreceiver.Config)) (scrape func() pmetric.Metrics, shutdown func()) {
	factory := xfrmreceiver.NewFactory()
	cfg := factory.CreateDefaultConfig().(*xfrmreceiver.Config)
	cfg.CollectionInterval = 1
	cfg.InitialDelay = 0
	configure(cfg)

	scraped := make(chan pmetric.Metrics)
	next := make(chan struct{})
	sink := must(consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		select {
		case scraped <- md:
			<-next
		case <-next: // closed by shutdown
		}
		return nil
	}))
	ctx := context.Background()
	r := must(factory.CreateMetrics(ctx, receivertest.NewNopSettings(component.MustNewType("xfrm")), cfg, sink))
	check(r.Start(ctx, componenttest.NewNopHost()))
	// The first scrape begins with Start, without being asked for.
	receive := func() pmetric.Metrics {
		select {
		case md := <-scraped:
			return md
		case <-time.After(time.Minute):
			panic("the receiver does not scrape")
		}
	}
	receive()
	return func() pmetric.Metrics {
			next <- struct{}{}
			return receive()
		}, func() {
			close(next)
			check(r.Shutdown(ctx))
		}
}
