// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
)

// Config is the receiver's section of a collector's configuration.
type Config struct {
	// ControllerConfig holds collection_interval (default 1m, at least 100ms),
	// initial_delay (default 1s) and timeout (default 0, none; otherwise at least
	// 1ms).
	scraperhelper.ControllerConfig `mapstructure:",squash"`

	// RootPath is where the root file system of the host is mounted. The main
	// namespace is then that of the host. Empty, the default, means the namespace
	// and the file system of this process.
	RootPath string `mapstructure:"root_path"`

	// NetworkNamespaces selects further namespaces; the default is none.
	NetworkNamespaces NetworkNamespacesConfig `mapstructure:"network_namespaces"`

	// Tunnels bounds what the metrics xfrm.tunnel.* remember.
	Tunnels TunnelsConfig `mapstructure:"tunnels"`

	// Logs bounds the records about dropped packets.
	Logs LogsConfig `mapstructure:"logs"`

	// OmitZero omits the points of xfrm.packet.dropped and xfrm.tunnel.packet.dropped
	// that are zero.
	OmitZero bool `mapstructure:"omit_zero"`

	// MetricsBuilderConfig enables and disables the metrics and the resource
	// attributes that documentation.md lists.
	metadata.MetricsBuilderConfig `mapstructure:",squash"`

	// LogsBuilderConfig enables and disables the events that documentation.md
	// lists.
	metadata.LogsBuilderConfig `mapstructure:",squash"`
}

// LogsConfig bounds the records xfrm.packet.dropped.
type LogsConfig struct {
	// Interval is how long drops with the same reason, peer and SPI are counted
	// together, after the first of them. The default is 10s.
	Interval time.Duration `mapstructure:"interval"`
	// Limit bounds the different ones in an interval. The others are counted
	// together. The default is 100.
	Limit int `mapstructure:"limit"`
}

// Validate returns one error for each value that is not allowed. It names the key,
// the value and what is expected.
func (c *LogsConfig) Validate() error {
	var errs []error
	if c.Interval < minInterval {
		errs = append(errs, tooShort("interval", c.Interval, "at least "+minInterval.String()))
	}
	if c.Limit < 1 {
		errs = append(errs, fmt.Errorf(`"limit": is %d, expected at least 1`, c.Limit))
	}
	return errors.Join(errs...)
}

// NetworkNamespacesConfig selects the network namespaces that are read besides the
// main one. One that is found in both ways is read once.
type NetworkNamespacesConfig struct {
	// Limit bounds how many namespaces are read, the main one included. The
	// default is 10000.
	Limit int `mapstructure:"limit"`
	// Processes adds every namespace that a visible process is in. It needs no
	// privilege.
	Processes bool `mapstructure:"processes"`
	// Named adds namespaces that are bind-mounted under a name, as ip-netns(8)
	// does. It needs CAP_SYS_ADMIN.
	Named NamedNamespacesConfig `mapstructure:"named"`
}

// TunnelsConfig bounds what the metrics xfrm.tunnel.* remember of each network
// namespace. They are off by default.
type TunnelsConfig struct {
	// Limit bounds the tunnels. Those beyond it are counted together, with the
	// attribute otel.metric.overflow. The default is 2000.
	Limit int `mapstructure:"limit"`
	// ForgetAfter is how long a tunnel that has no security association any more
	// is reported. The default is 24h.
	ForgetAfter time.Duration `mapstructure:"forget_after"`
}

// Validate returns one error for each value that is not allowed. It names the key,
// the value and what is expected.
func (c *TunnelsConfig) Validate() error {
	var errs []error
	if c.Limit < 1 {
		errs = append(errs, fmt.Errorf(`"limit": is %d, expected at least 1`, c.Limit))
	}
	if c.ForgetAfter < minForgetAfter {
		errs = append(errs, tooShort("forget_after", c.ForgetAfter, "at least "+minForgetAfter.String()))
	}
	return errors.Join(errs...)
}

// NamedNamespacesConfig selects namespaces by name.
type NamedNamespacesConfig struct {
	// Include holds patterns for names, with *, ?, [a-z], [!a] and {a,b} as in a
	// shell. Empty, the default, selects none.
	Include []string `mapstructure:"include"`
	// Exclude holds patterns for names that are not read although Include matches
	// them.
	Exclude []string `mapstructure:"exclude"`
	// Directories contain the mounts, below RootPath. The default is /run/netns.
	Directories []string `mapstructure:"directories"`
}

func (c *NamedNamespacesConfig) options() netns.Named {
	return netns.Named{Include: c.Include, Exclude: c.Exclude, Directories: c.Directories}
}

// Validate returns one error for each value that is not allowed. It names the key,
// the value and what is expected.
func (c *NamedNamespacesConfig) Validate() error {
	errs := c.options().Validate()
	switch {
	case len(c.Directories) == 0:
		errs = append(errs, errors.New(`"directories": is empty, expected at least one, for example `+netns.DefaultDirectory))
	case len(c.Include) == 0 && len(c.Exclude) == 0 && !slices.Equal(c.Directories, []string{netns.DefaultDirectory}):
		errs = append(errs, errors.New(`"include": is empty while "directories" is set, expected at least one pattern, for example "*"`))
	}
	return errors.Join(errs...)
}

// Validate checks the limit.
func (c *NetworkNamespacesConfig) Validate() error {
	if c.Limit < 1 {
		return fmt.Errorf(`"limit": is %d, expected at least 1`, c.Limit)
	}
	return nil
}

const (
	// A shorter interval is an error of the unit: 30 means 30 ns.
	minInterval = 100 * time.Millisecond
	minDuration = time.Millisecond
	// A tunnel has no association for some seconds when a daemon reauthenticates.
	minForgetAfter = time.Second
)

// Validate returns one error for each value that is not allowed and that the
// embedded configurations do not check.
func (c *Config) Validate() error {
	var errs []error
	// The embedded configuration refuses an interval and a timeout below 0.
	if c.CollectionInterval > 0 && c.CollectionInterval < minInterval {
		errs = append(errs, tooShort("collection_interval", c.CollectionInterval, "at least "+minInterval.String()))
	}
	if c.InitialDelay < 0 || c.InitialDelay > 0 && c.InitialDelay < minDuration {
		errs = append(errs, tooShort("initial_delay", c.InitialDelay, "0, or at least "+minDuration.String()))
	}
	if c.Timeout > 0 && c.Timeout < minDuration {
		errs = append(errs, tooShort("timeout", c.Timeout, "0, or at least "+minDuration.String()))
	}
	if c.RootPath != "" && !filepath.IsAbs(c.RootPath) {
		errs = append(errs, fmt.Errorf(`"root_path": %q is relative, expected an absolute path, for example /hostfs`, c.RootPath))
	}
	return errors.Join(append(errs, c.validateIdentity()...)...)
}

func tooShort(key string, is time.Duration, expected string) error {
	return fmt.Errorf(`%q: is %s, expected %s; a number needs a unit, for example "30s"`, key, is, expected)
}

// validateIdentity finds resource attributes that are disabled although nothing
// else identifies the namespaces. Their series would be merged.
func (c *Config) validateIdentity() []error {
	named, processes := len(c.NetworkNamespaces.Named.Include) > 0, c.NetworkNamespaces.Processes
	var errs []error
	for _, need := range []struct {
		attribute string
		enabled   bool
		processes bool
	}{
		{"netns.name", c.MetricsBuilderConfig.ResourceAttributes.NetnsName.Enabled, false},
		{"k8s.pod.uid", c.MetricsBuilderConfig.ResourceAttributes.K8sPodUID.Enabled, true},
		{"container.id", c.MetricsBuilderConfig.ResourceAttributes.ContainerID.Enabled, true},
		{"container.name", c.MetricsBuilderConfig.ResourceAttributes.ContainerName.Enabled, true},
		{"systemd.unit.name", c.MetricsBuilderConfig.ResourceAttributes.SystemdUnitName.Enabled, true},
		{"process.pid", c.MetricsBuilderConfig.ResourceAttributes.ProcessPid.Enabled, true},
	} {
		setting := "network_namespaces::processes"
		if !processes {
			setting = "network_namespaces::named"
		}
		if !need.enabled && (processes || named && !need.processes) {
			errs = append(errs, fmt.Errorf(`"resource_attributes::%s::enabled": is false, expected true while %q is set: `+
				`the attribute identifies network namespaces`, need.attribute, setting))
		}
	}
	return errs
}

func (c *Config) sourceOptions() netns.Options {
	return netns.Options{
		Root:              c.RootPath,
		Limit:             c.NetworkNamespaces.Limit,
		Processes:         c.NetworkNamespaces.Processes,
		Named:             c.NetworkNamespaces.Named.options(),
		WithoutStatistics: c.wantsAssociations(),
	}
}

// wantsCounts reports whether a metric that counts all associations or policies is
// enabled.
func (c *Config) wantsCounts() bool {
	return c.Metrics.XfrmSaCount.Enabled || c.Metrics.XfrmPolicyCount.Enabled
}

// wantsTunnels reports whether a metric of tunnels is enabled.
func (c *Config) wantsTunnels() bool {
	m := &c.Metrics
	return m.XfrmTunnelIdleTime.Enabled || m.XfrmTunnelIo.Enabled || m.XfrmTunnelPacketCount.Enabled ||
		m.XfrmTunnelPacketDropped.Enabled || m.XfrmTunnelSaAge.Enabled || m.XfrmTunnelSaCount.Enabled ||
		m.XfrmTunnelSaCreated.Enabled || m.XfrmTunnelSaLifetimeUtilization.Enabled ||
		m.XfrmTunnelSequenceUtilization.Enabled
}

func (c *Config) wantsAssociations() bool { return c.wantsCounts() || c.wantsTunnels() }

func newDefaultConfig() *Config {
	return &Config{
		ControllerConfig: scraperhelper.NewDefaultControllerConfig(),
		NetworkNamespaces: NetworkNamespacesConfig{
			Limit: netns.DefaultLimit,
			Named: NamedNamespacesConfig{Directories: []string{netns.DefaultDirectory}},
		},
		Tunnels:              TunnelsConfig{Limit: tunnel.DefaultLimit, ForgetAfter: tunnel.DefaultForgetAfter},
		Logs:                 LogsConfig{Interval: 10 * time.Second, Limit: 100},
		LogsBuilderConfig:    metadata.DefaultLogsBuilderConfig(),
		MetricsBuilderConfig: metadata.NewDefaultMetricsBuilderConfig(),
	}
}
