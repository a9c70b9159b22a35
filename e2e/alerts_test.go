// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// alertsConfig scrapes the collector and evaluates the shipped rules, unchanged.
const alertsConfig = `
global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs:
  - job_name: xfrm
    static_configs: [{ targets: ["127.0.0.1:9464"] }]
rule_files: [%s]
`

// sparseConfig begins each series with its first drop.
const sparseConfig = `
receivers:
  xfrm:
    collection_interval: 200ms
    omit_zero: true
exporters:
  prometheus:
    endpoint: 127.0.0.1:9464
    without_scope_info: true
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    metrics: { receivers: [xfrm], exporters: [prometheus] }
`

// A real kernel drops, and the alert for it fires in a real Prometheus, with the
// rules as they are shipped, although each series begins with all of its drops.
// A few drops fire nothing.
func TestAlertFires(t *testing.T) {
	requireRoot(t)
	here, there := pair(t)
	rules, err := filepath.Abs(filepath.Join("..", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	data := t.TempDir()
	anHourOfHeartbeats(t, data, `{instance="127.0.0.1:9464"}`)
	prom := newPrometheusOn(t, here, data, fmt.Sprintf(alertsConfig, rules))
	here.collector(sparseConfig)

	block(here, thereAddress)
	here.send(thereAddress, 21)
	here.ip("xfrm", "policy", "add", "src", thereAddress, "dst", hereAddress, "dir", "in",
		"tmpl", "proto", "esp", "mode", "transport", "level", "required")
	there.sendFrom(thereAddress, hereAddress, 34)
	// As few as at a rekey: nothing fires for these.
	here.ip("xfrm", "policy", "add", "src", hereAddress, "dst", "192.0.2.3", "dir", "out",
		"tmpl", "proto", "esp", "mode", "transport", "level", "required")
	here.sendFrom(hereAddress, "192.0.2.3", 5)

	firing := func() map[string]string {
		got := map[string]string{}
		result, err := prom.api.Alerts(context.Background())
		require.NoError(t, err)
		for _, alert := range result.Alerts {
			if alert.State == promv1.AlertStateFiring {
				got[string(alert.Labels["alertname"])+" "+string(alert.Labels["severity"])] = string(alert.Annotations["description"])
				assert.Contains(t, string(alert.Annotations["runbook_url"]),
					fmt.Sprintf("docs/reasons.md#%s-%s", alert.Labels["direction"], alert.Labels["reason"]))
			}
		}
		return got
	}
	want := map[string]string{
		"XfrmOutboundBlocked warning": "21 packets in 5 minutes, outbound pol_block.",
		"XfrmPolicyMismatch warning":  "34 packets in 5 minutes, inbound tmpl_mismatch.",
	}
	eventually(t, "the few drops are known", func() bool {
		return prom.series()["outbound/no_states"] == 5
	})
	// The rules wait for a minute.
	require.Eventually(t, func() bool { return len(firing()) >= len(want) }, 2*time.Minute, time.Second, "no alert fires")
	assert.Equal(t, want, firing())
}

// anHourOfHeartbeats makes Prometheus believe that it recorded the heartbeats of
// hosts, given as their labels, for an hour. What such a host counts first is new.
func anHourOfHeartbeats(t *testing.T, data string, hosts ...string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("# TYPE host:xfrm_netns_count:last gauge\n")
	now := time.Now()
	for _, host := range hosts {
		for at := now.Add(-time.Hour); at.Before(now.Add(-2 * time.Minute)); at = at.Add(30 * time.Second) {
			fmt.Fprintf(&text, "host:xfrm_netns_count:last%s 1 %d\n", host, at.Unix())
		}
	}
	text.WriteString("# EOF\n")
	out, err := exec.Command(program(t, "PROMTOOL"), "tsdb", "create-blocks-from", "openmetrics",
		writeFile(t, "heartbeats.txt", text.String()), data).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The Prometheus Operator gets the same rules, in a resource that it accepts.
func TestPrometheusRule(t *testing.T) {
	resource, err := os.ReadFile(filepath.Join("..", "monitoring", "prometheusrule.yaml"))
	require.NoError(t, err)
	var rule monitoringv1.PrometheusRule
	require.NoError(t, yaml.UnmarshalStrict(resource, &rule))
	assert.Equal(t, monitoringv1.SchemeGroupVersion.String(), rule.APIVersion)
	assert.Equal(t, monitoringv1.PrometheusRuleKind, rule.Kind)
	assert.Equal(t, "xfrm", rule.Namespace)

	file, err := os.ReadFile(filepath.Join("..", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	var rules monitoringv1.PrometheusRuleSpec
	require.NoError(t, yaml.UnmarshalStrict(file, &rules))
	require.NotEmpty(t, rules.Groups)
	assert.Equal(t, rules, rule.Spec)
}

// Each reason of the runbook is in the promtool test that says which alert it
// fires, so none is without one.
func TestEveryReasonHasAnAlert(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join("..", "docs", "reasons.md"))
	require.NoError(t, err)
	promtoolTest, err := os.ReadFile(filepath.Join("..", "monitoring", "tests", "reasons.yaml"))
	require.NoError(t, err)
	sections := regexp.MustCompile(`(?m)^### (inbound|outbound) ([a-z_]+)$`).FindAllStringSubmatch(string(runbook), -1)
	require.Len(t, sections, 32)
	for _, section := range sections {
		assert.Equal(t, 1, strings.Count(string(promtoolTest),
			fmt.Sprintf("xfrm_packet_dropped_total{job=\"xfrm\", instance=\"gw1:9464\", direction=\"%s\", reason=\"%s\"}", section[1], section[2])), section[0])
	}
}
