// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

func loadConfig(t *testing.T, name string) (*Config, error) {
	t.Helper()
	conf, err := confmaptest.LoadConf(filepath.Join("testdata", "config.yaml"))
	require.NoError(t, err)
	sub, err := conf.Sub(component.NewIDWithName(metadata.Type, name).String())
	require.NoError(t, err)
	require.NotEmpty(t, conf.AllKeys())
	cfg := newDefaultConfig()
	if err := sub.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestDefaultConfig(t *testing.T) {
	cfg := NewFactory().CreateDefaultConfig().(*Config)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, time.Minute, cfg.CollectionInterval)
	assert.Equal(t, time.Second, cfg.InitialDelay)
	assert.True(t, cfg.Metrics.XfrmPacketDropped.Enabled)
	assert.Equal(t, LogsConfig{Interval: 10 * time.Second, Limit: 100}, cfg.Logs)
	assert.Equal(t, causesByDefault, cfg.Events)
	loaded, err := loadConfig(t, "default")
	require.NoError(t, err)
	assert.Equal(t, cfg, loaded)
}

// causesByDefault are the events that say why packets are dropped.
var causesByDefault = metadata.EventsConfig{
	XfrmAcquire:       metadata.EventConfig{Enabled: true},
	XfrmEventsLost:    metadata.EventConfig{Enabled: true},
	XfrmPacketDropped: metadata.EventConfig{Enabled: true},
	XfrmSaDeleted:     metadata.EventConfig{Enabled: true},
	XfrmSaExpired:     metadata.EventConfig{Enabled: true},
}

func TestConfigAllSettings(t *testing.T) {
	cfg, err := loadConfig(t, "all")
	require.NoError(t, err)
	assert.Equal(t, 30*time.Second, cfg.CollectionInterval)
	assert.Equal(t, time.Duration(0), cfg.InitialDelay)
	assert.Equal(t, 10*time.Second, cfg.Timeout)
	assert.Equal(t, "/hostfs", cfg.RootPath)
	assert.Equal(t, TunnelsConfig{Limit: 100, ForgetAfter: time.Hour}, cfg.Tunnels)
	assert.Equal(t, LogsConfig{Interval: 5 * time.Second, Limit: 7}, cfg.Logs)
	assert.True(t, cfg.Events.XfrmSaCreated.Enabled)
	assert.False(t, cfg.Events.XfrmPacketDropped.Enabled)
	assert.True(t, cfg.Events.XfrmAcquire.Enabled)
	assert.True(t, cfg.OmitZero)
	assert.Equal(t, netns.Options{
		Root: "/hostfs", Processes: true, Limit: 500,
		Named: netns.Named{
			Include: []string{"vpn-*", "!not-special"}, Exclude: []string{"*-test"},
			Directories: []string{"/run/netns", "/run/docker/netns"},
		},
	}, cfg.sourceOptions())
}

// Each attribute that identifies one of the namespaces that are read is needed.
func TestIdentifyingAttributes(t *testing.T) {
	for attribute, disable := range map[string]func(*metadata.ResourceAttributesConfig){
		"netns.name":        func(c *metadata.ResourceAttributesConfig) { c.NetnsName.Enabled = false },
		"k8s.pod.uid":       func(c *metadata.ResourceAttributesConfig) { c.K8sPodUID.Enabled = false },
		"container.id":      func(c *metadata.ResourceAttributesConfig) { c.ContainerID.Enabled = false },
		"container.name":    func(c *metadata.ResourceAttributesConfig) { c.ContainerName.Enabled = false },
		"systemd.unit.name": func(c *metadata.ResourceAttributesConfig) { c.SystemdUnitName.Enabled = false },
		"process.pid":       func(c *metadata.ResourceAttributesConfig) { c.ProcessPid.Enabled = false },
	} {
		t.Run(attribute, func(t *testing.T) {
			cfg := newDefaultConfig()
			disable(&cfg.MetricsBuilderConfig.ResourceAttributes)
			require.NoError(t, confmap.Validate(cfg), "the main namespace has none")
			cfg.NetworkNamespaces.Named.Include = []string{"*"}
			if attribute == "netns.name" {
				require.ErrorContains(t, confmap.Validate(cfg), attribute)
			} else {
				require.NoError(t, confmap.Validate(cfg), "named namespaces have only their names")
			}
			cfg.NetworkNamespaces.Named.Include = nil
			cfg.NetworkNamespaces.Processes = true
			require.ErrorContains(t, confmap.Validate(cfg), `"resource_attributes::`+attribute+`::enabled": is false`)
		})
	}
}

func TestLimitOfZero(t *testing.T) {
	cfg := newDefaultConfig()
	cfg.NetworkNamespaces.Limit = 0
	require.ErrorContains(t, confmap.Validate(cfg), `network_namespaces: "limit": is 0, expected at least 1`)
}

func TestShortestDurations(t *testing.T) {
	_, err := loadConfig(t, "shortest_durations")
	require.NoError(t, err)
}

func TestConfigErrors(t *testing.T) {
	for name, says := range map[string][]string{
		"negative":    {`"initial_delay": is -1s, expected 0, or at least 1ms`, `"collection_interval": requires positive value`, `"timeout": requires positive value`},
		"unknown_key": {"colection_interval"},
		"all_values_at_once": {
			`"root_path": "hostfs" is relative, expected an absolute path`,
			`"initial_delay": is -1s`,
			`network_namespaces::named`,
			`"include": "[" is not a valid pattern`,
			`"exclude": "a[" is not a valid pattern`,
			`"directories": "run/netns" is relative`,
			`network_namespaces: "limit": is -1, expected at least 1`,
			`"resource_attributes::netns.name::enabled": is false, expected true while "network_namespaces::processes" is set`,
			`"resource_attributes::process.pid::enabled": is false, expected true while "network_namespaces::processes" is set`,
		},
		"no_name":        {`"resource_attributes::netns.name::enabled": is false, expected true while "network_namespaces::named" is set`},
		"no_directories": {`"directories": is empty, expected at least one, for example /run/netns`},
		"no_include":     {`"include": is empty while "directories" is set, expected at least one pattern, for example "*"`},
		"removed_keys":   {"'metrics.xfrm.packet.dropped' decoding failed", "has invalid keys: aggregation_strategy, attributes"},
		"tunnels": {
			`tunnels: "limit": is 0, expected at least 1`,
			`"forget_after": is 24ns, expected at least 1s; a number needs a unit, for example "30s"`,
		},
		"logs": {
			`logs: "interval": is 10ns, expected at least 100ms; a number needs a unit, for example "30s"`,
			`"limit": is 0, expected at least 1`,
		},
		"numbers_without_unit": {
			`"collection_interval": is 30ns, expected at least 100ms; a number needs a unit, for example "30s"`,
			`"initial_delay": is 1ns, expected 0, or at least 1ms; a number needs a unit`,
			`"timeout": is 10ns, expected 0, or at least 1ms; a number needs a unit`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadConfig(t, name)
			for _, s := range says {
				assert.ErrorContains(t, err, s)
			}
		})
	}
}
