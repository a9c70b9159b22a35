// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
)

// For an attribute that is neither required nor conditionally_required mdatagen
// lets users aggregate, and compares each point with all others when it records.
func TestAttributesCostNothing(t *testing.T) {
	conf, err := confmaptest.LoadConf(filepath.Join(".", "metadata.yaml"))
	require.NoError(t, err)
	attributes := conf.ToStringMap()["attributes"].(map[string]any)
	require.NotEmpty(t, attributes)
	for name, attribute := range attributes {
		assert.Contains(t, []any{"required", "conditionally_required"}, attribute.(map[string]any)["requirement_level"], name)
	}
}

// Each metric of associations is read if it alone is enabled, and nothing is read
// if none is.
func TestWantedAssociations(t *testing.T) {
	cfg := newDefaultConfig()
	assert.False(t, cfg.wantsCounts())
	assert.False(t, cfg.wantsTunnels())
	metrics := reflect.ValueOf(&cfg.Metrics).Elem()
	for i := range metrics.NumField() {
		cfg.MetricsBuilderConfig = newDefaultConfig().MetricsBuilderConfig
		metrics.Field(i).FieldByName("Enabled").SetBool(true)
		name := metrics.Type().Field(i).Tag.Get("mapstructure")
		assert.Equal(t, name == "xfrm.sa.count" || name == "xfrm.policy.count", cfg.wantsCounts(), name)
		assert.Equal(t, strings.HasPrefix(name, "xfrm.tunnel."), cfg.wantsTunnels(), name)
		assert.Equal(t, cfg.wantsCounts() || cfg.wantsTunnels(), cfg.sourceOptions().WithoutStatistics, name)
	}
}

func TestTunnelDefaults(t *testing.T) {
	assert.Equal(t, TunnelsConfig{Limit: 2000, ForgetAfter: 24 * 60 * 60 * 1e9}, newDefaultConfig().Tunnels)
	assert.Equal(t, tunnel.DefaultLimit, newDefaultConfig().Tunnels.Limit)
}
