package xfrmreceiver

import (
	"fmt"

	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
)

// Config is the receiver's section of a collector's configuration.
type Config struct {
	// ControllerConfig says when to read: collection_interval (default 1m),
	// initial_delay (default 1s) and timeout (default none).
	scraperhelper.ControllerConfig `mapstructure:",squash"`
	// MetricsBuilderConfig switches the metric, its attributes and the resource
	// attributes; documentation.md lists them.
	metadata.MetricsBuilderConfig `mapstructure:",squash"`
}

// Validate checks what the embedded configurations do not check themselves.
func (c *Config) Validate() error {
	if c.InitialDelay < 0 {
		return fmt.Errorf(`"initial_delay": is %s, expected zero or more`, c.InitialDelay)
	}
	return nil
}

func newDefaultConfig() *Config {
	return &Config{
		ControllerConfig:     scraperhelper.NewDefaultControllerConfig(),
		MetricsBuilderConfig: metadata.NewDefaultMetricsBuilderConfig(),
	}
}
