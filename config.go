package xfrmreceiver

import (
	"errors"
	"fmt"
	"path/filepath"

	"go.opentelemetry.io/collector/scraper/scraperhelper"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// Config is the receiver's section of a collector's configuration.
type Config struct {
	// ControllerConfig says when to read: collection_interval (default 1m),
	// initial_delay (default 1s) and timeout (default none).
	scraperhelper.ControllerConfig `mapstructure:",squash"`

	// RootPath is where the root file system of the host is mounted. The main
	// namespace is then the host's. Empty, the default, means the namespace and
	// the file system of this process.
	RootPath string `mapstructure:"root_path"`

	// NetworkNamespaces says which others are read; the default is none.
	NetworkNamespaces NetworkNamespacesConfig `mapstructure:"network_namespaces"`

	// OmitZero leaves a point out while it is zero, after aggregation.
	OmitZero bool `mapstructure:"omit_zero"`

	// MetricsBuilderConfig switches the metric, its attributes and the resource
	// attributes; documentation.md lists them.
	metadata.MetricsBuilderConfig `mapstructure:",squash"`
}

// NetworkNamespacesConfig says which network namespaces are read besides the
// main one. What is found in both ways is read once.
type NetworkNamespacesConfig struct {
	// Processes asks for every namespace in which a visible process lives. It
	// needs no privilege.
	Processes bool `mapstructure:"processes"`
	// Named asks for those that are bind-mounted by a name, as ip-netns(8) does.
	// It needs CAP_SYS_ADMIN.
	Named NamedNamespacesConfig `mapstructure:"named"`
}

// NamedNamespacesConfig chooses namespaces by name.
type NamedNamespacesConfig struct {
	// Include holds patterns over the names, with *, ? and [a-z] as in a shell.
	// Empty, the default, chooses none.
	Include []string `mapstructure:"include"`
	// Exclude holds patterns for names that Include matches and that are left out.
	Exclude []string `mapstructure:"exclude"`
	// Directories hold the mounts, below RootPath. The default is /run/netns.
	Directories []string `mapstructure:"directories"`
}

func (c *NamedNamespacesConfig) options() netns.Named {
	return netns.Named{Include: c.Include, Exclude: c.Exclude, Directories: c.Directories}
}

// Validate names each value that is not allowed, and what is.
func (c *NamedNamespacesConfig) Validate() error {
	errs := c.options().Validate()
	if len(c.Directories) == 0 {
		errs = append(errs, errors.New(`"directories": is empty, expected at least one, for example `+netns.DefaultDirectory))
	}
	return errors.Join(errs...)
}

// Validate checks what the embedded configurations do not check themselves.
func (c *Config) Validate() error {
	var errs []error
	if c.InitialDelay < 0 {
		errs = append(errs, fmt.Errorf(`"initial_delay": is %s, expected zero or more`, c.InitialDelay))
	}
	if c.RootPath != "" && !filepath.IsAbs(c.RootPath) {
		errs = append(errs, fmt.Errorf(`"root_path": %q is relative, expected an absolute path, for example /hostfs`, c.RootPath))
	}
	return errors.Join(append(errs, c.validateIdentity()...)...)
}

// validateIdentity finds resource attributes that are switched off although
// nothing else tells the namespaces apart: their series would be merged.
func (c *Config) validateIdentity() []error {
	var errs []error
	need := func(attribute string, cfg metadata.ResourceAttributeConfig, setting string) {
		if !cfg.Enabled {
			errs = append(errs, fmt.Errorf(`"resource_attributes::%s::enabled": is false, expected true while %q is set: `+
				`the attribute tells network namespaces apart`, attribute, setting))
		}
	}
	if len(c.NetworkNamespaces.Named.Include) > 0 && !c.NetworkNamespaces.Processes {
		need("netns.name", c.ResourceAttributes.NetnsName, "network_namespaces::named")
	}
	if c.NetworkNamespaces.Processes {
		const setting = "network_namespaces::processes"
		need("netns.name", c.ResourceAttributes.NetnsName, setting) // of those that nothing else tells apart
		need("container.id", c.ResourceAttributes.ContainerID, setting)
		need("k8s.pod.uid", c.ResourceAttributes.K8sPodUID, setting)
		need("process.pid", c.ResourceAttributes.ProcessPid, setting)
	}
	return errs
}

func (c *Config) sourceOptions() netns.Options {
	return netns.Options{
		Root:      c.RootPath,
		Processes: c.NetworkNamespaces.Processes,
		Named:     c.NetworkNamespaces.Named.options(),
	}
}

func newDefaultConfig() *Config {
	return &Config{
		ControllerConfig: scraperhelper.NewDefaultControllerConfig(),
		NetworkNamespaces: NetworkNamespacesConfig{
			Named: NamedNamespacesConfig{Directories: []string{netns.DefaultDirectory}},
		},
		MetricsBuilderConfig: metadata.NewDefaultMetricsBuilderConfig(),
	}
}
