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

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	anHourOfUp(t, data, "127.0.0.1:9464")
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

// anHourOfUp makes Prometheus believe that it scraped the collectors for an hour.
func anHourOfUp(t *testing.T, data string, instances ...string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("# TYPE up gauge\n")
	now := time.Now()
	for _, instance := range instances {
		for at := now.Add(-time.Hour); at.Before(now.Add(-2 * time.Minute)); at = at.Add(30 * time.Second) {
			fmt.Fprintf(&text, "up{job=\"xfrm\",instance=%q} 1 %d\n", instance, at.Unix())
		}
	}
	text.WriteString("# EOF\n")
	out, err := exec.Command(program(t, "PROMTOOL"), "tsdb", "create-blocks-from", "openmetrics",
		writeFile(t, "up.txt", text.String()), data).CombinedOutput()
	require.NoError(t, err, "%s", out)
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
