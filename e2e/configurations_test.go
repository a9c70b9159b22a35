// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// Every list of labels, in what is shipped and in the documentation, has all attributes
// that tell namespaces apart: Prometheus silently merges the others.
func TestEveryAttributeIsALabel(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "metadata.yaml"))
	require.NoError(t, err)
	var metadata struct {
		ResourceAttributes map[string]struct{ Enabled bool } `json:"resource_attributes"`
	}
	require.NoError(t, yaml.Unmarshal(content, &metadata))
	require.NotEmpty(t, metadata.ResourceAttributes)
	list := regexp.MustCompile(`(?:included|promote_resource_attributes): \[([^\]]*)\]`)
	lists := 0
	for _, pattern := range []string{"../distribution/config/*.yaml", "../distribution/kubernetes/*/*/*.yaml", "../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, m := range list.FindAllStringSubmatch(string(content), -1) {
				lists++
				got := strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
				for name, attribute := range metadata.ResourceAttributes {
					if attribute.Enabled {
						assert.Contains(t, got, name, file)
					}
				}
				if filepath.Base(file) != "terminal.yaml" {
					assert.Contains(t, got, "host.name", file)
				}
			}
		}
	}
	assert.GreaterOrEqual(t, lists, 12)
}

// A series is served until metric_expiration after its last point, so that must be longer
// than an interval, and one scrape may fail.
func TestSeriesOutliveTheInterval(t *testing.T) {
	files, err := filepath.Glob(shipped("*.yaml"))
	require.NoError(t, err)
	seen := 0
	for _, file := range files {
		var config struct {
			Receivers struct {
				XFRM *struct {
					Interval string `json:"collection_interval"`
				} `json:"xfrm"`
			} `json:"receivers"`
			Exporters struct {
				Prometheus *struct {
					Expiration string `json:"metric_expiration"`
				} `json:"prometheus"`
			} `json:"exporters"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(readShipped(t, filepath.Base(file))), &config))
		if config.Receivers.XFRM == nil || config.Exporters.Prometheus == nil {
			continue
		}
		seen++
		interval, err := time.ParseDuration(config.Receivers.XFRM.Interval)
		require.NoError(t, err, file)
		expiration, err := time.ParseDuration(config.Exporters.Prometheus.Expiration)
		if assert.NoError(t, err, file) {
			assert.GreaterOrEqual(t, expiration, 2*interval, file)
		}
	}
	assert.Equal(t, 6, seen)
}

// namespaceLabels are the labels that a network namespace can have in Prometheus. Only the
// main one has none of them.
var namespaceLabels = []string{"netns_name", "k8s_pod_uid", "container_id", "container_name", "systemd_unit_name", "process_pid"}
