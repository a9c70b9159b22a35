// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// NewFactory returns the factory of receivers of type xfrm.
//
// Creating a receiver fails on systems other than Linux.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(
		metadata.Type,
		func() component.Config { return newDefaultConfig() },
		receiver.WithMetrics(createMetrics, metadata.MetricsStability),
		receiver.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createMetrics(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Metrics) (receiver.Metrics, error) {
	config := cfg.(*Config)
	source, err := netns.NewSource(config.sourceOptions())
	if err != nil {
		return nil, err
	}
	return newReceiver(set, config, source, next)
}

func createLogs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	config := cfg.(*Config)
	source, err := netns.NewSource(config.sourceOptions())
	if err != nil {
		return nil, err
	}
	return newLogsReceiver(set, config, source.Check, next, newStreams(config, source)...)
}
