// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/grafana"
)

const dashboardPrometheus = `
global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs:
  - job_name: xfrm
    static_configs:
      - { targets: ["192.0.2.1:9464"], labels: { cluster: east } }
      - { targets: ["192.0.2.2:9464"], labels: { cluster: west } }
rule_files: [%s]
`

// Two real nodes in two clusters, one with two namespaces, drop; every query of
// the dashboard runs against a real Prometheus, returns exactly what its panel
// says, and follows the variables.
func TestDashboard(t *testing.T) {
	requireRoot(t)
	first, second := pair(t)
	named, _ := pair(t)
	block(first, "192.0.2.3")
	first.send("192.0.2.3", 21)
	second.ip("xfrm", "policy", "add", "src", hereAddress, "dst", thereAddress, "dir", "in",
		"tmpl", "proto", "esp", "mode", "transport", "level", "required")
	first.send(thereAddress, 34)
	block(named, thereAddress)
	named.send(thereAddress, 12)

	rules, err := filepath.Abs(filepath.Join("..", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	data := t.TempDir()
	anHourOfHeartbeats(t, data, `{cluster="east",host_name="gw1"}`, `{cluster="west",host_name="gw2"}`)
	// All that is seen first is seen within the same minute: see the arithmetic below.
	if left := 60 - time.Now().Second(); left < 30 {
		time.Sleep(time.Duration(left) * time.Second)
	}
	// The policy would drop what Prometheus asks the second node, too.
	second.ip("xfrm", "policy", "flush")
	prom := newPrometheusOn(t, first, data, fmt.Sprintf(dashboardPrometheus, rules))
	start := func(ns *namespace, name, config, address string, more ...string) {
		args := append([]string{
			program(t, "OTELCOL_XFRM"), "--config", shipped(config),
			"--config", "yaml:receivers::xfrm::collection_interval: 200ms", "--config", "yaml:receivers::xfrm::initial_delay: 0s",
		}, more...)
		cmd := ns.command(args...)
		cmd.Env = append(os.Environ(), "HOST_NAME="+name, "LISTEN="+address+":9464")
		run(t, cmd)
	}
	start(first, "gw1", "gateway.yaml", hereAddress,
		"--config", fmt.Sprintf("yaml:receivers::xfrm::network_namespaces::named::include: [%q]", named.name))
	start(second, "gw2", "host.yaml", thereAddress)

	const recorded = "network_namespace:xfrm_packet_dropped:increase"
	eventually(t, "all drops are recorded", func() bool { return len(prom.query(recorded)) == 3 })
	require.Eventually(t, func() bool {
		return len(prom.query(`ALERTS{alertstate="firing"}`)) == 3
	}, 2*time.Minute, time.Second, "three alerts fire")
	// A drop is in the recorded series for 5 minutes, and so is its last sample when
	// nothing comes after it. At the end of that time each is counted in full.
	var seen time.Time
	for _, sample := range prom.query("min_over_time(timestamp(" + recorded + ")[5m:1s])") {
		at := time.UnixMilli(int64(sample.Value * 1000))
		if at.After(seen) {
			seen = at
		}
	}
	end := seen.Truncate(time.Minute).Add(5*time.Minute + 30*time.Second)

	board, err := grafana.Read(filepath.Join("..", "monitoring", "dashboard.json"))
	require.NoError(t, err)
	window, err := board.Constant("window")
	require.NoError(t, err)
	ask := func(q grafana.Query, choice map[string]string) map[string]int64 {
		variables := map[string]string{"__range": "1h", "__rate_interval": "1m", "window": window}
		maps.Copy(variables, choice)
		expression, err := grafana.Expand(q.Expr, variables)
		require.NoError(t, err)
		at := end
		if !q.Instant || !strings.Contains(expression, "[1h:1m]") {
			at = time.Now()
		}
		var got model.Vector
		if q.Instant {
			result, _, err := prom.api.Query(context.Background(), expression, at)
			require.NoError(t, err, expression)
			got = result.(model.Vector)
		} else {
			result, _, err := prom.api.QueryRange(context.Background(), expression, promv1.Range{Start: at.Add(-time.Minute), End: at, Step: 15 * time.Second})
			require.NoError(t, err, expression)
			for _, stream := range result.(model.Matrix) {
				got = append(got, &model.Sample{Metric: stream.Metric, Value: stream.Values[len(stream.Values)-1].Value})
			}
		}
		values := map[string]int64{}
		for _, sample := range got {
			var key []string
			for _, label := range q.Labels {
				if value := string(sample.Metric[model.LabelName(label)]); value != "" {
					key = append(key, label+"="+value)
				}
			}
			values[strings.Join(key, " ")] = int64(sample.Value)
		}
		require.Len(t, values, len(got), "%s: two series look alike", q.Name)
		return values
	}

	all := map[string]string{"cluster": ".*", "node": ".*", "kind": ".*", "namespace": ".*"}
	byReason := map[string]int64{"direction=outbound reason=pol_block": 33, "direction=inbound reason=tmpl_mismatch": 34}
	byNode := map[string]int64{"node=gw1": 33, "node=gw2": 34}
	want := map[string]map[string]int64{
		"Packets dropped": {"direction=outbound": 33, "direction=inbound": 34},
		"Alerts firing":   {"": 3},
		"By reason, in the $window minutes before": byReason,
		"By node, in the $window minutes before":   byNode,
		"Nodes that dropped most":                  byNode,
		"Network namespaces that dropped most": {
			"network_namespace_kind=host node=gw1":                                       21,
			"network_namespace=" + named.name + " network_namespace_kind=named node=gw1": 12,
			"network_namespace_kind=host node=gw2":                                       34,
		},
		"What was dropped, and why": {
			"direction=outbound meaning=outbound-pol_block reason=pol_block":       33,
			"direction=inbound meaning=inbound-tmpl_mismatch reason=tmpl_mismatch": 34,
		},
		"All counters that are not zero": {
			"direction=outbound host_name=gw1 instance=192.0.2.1:9464 reason=pol_block":                               21,
			"direction=outbound host_name=gw1 instance=192.0.2.1:9464 netns_name=" + named.name + " reason=pol_block": 12,
			"direction=inbound host_name=gw2 instance=192.0.2.2:9464 reason=tmpl_mismatch":                            34,
		},
	}
	got := map[string]map[string]int64{}
	for _, q := range board.Queries {
		if q.Language == "prometheus" {
			got[q.Name] = ask(q, all)
		}
	}
	assert.Equal(t, want, got)

	for _, test := range []struct {
		variable, value string
		want            int64
	}{
		{"cluster", "west", 34}, {"node", "gw1", 33}, {"namespace", named.name, 12}, {"kind", "host", 55}, {"kind", "(host|named)", 67},
	} {
		choice := map[string]string{"cluster": ".*", "node": ".*", "kind": ".*", "namespace": ".*", test.variable: test.value}
		sum := int64(0)
		for _, value := range ask(board.Queries[0], choice) {
			sum += value
		}
		assert.Equal(t, test.want, sum, "%s %s", test.variable, test.value)
	}

	offered := map[string][]string{}
	for _, variable := range board.Variables {
		if variable.Type != "query" {
			assert.Contains(t, []string{"datasource", "constant"}, variable.Type)
			continue
		}
		assert.Equal(t, ".*", variable.AllValue)
		query, err := grafana.Expand(variable.Query, all)
		require.NoError(t, err)
		m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(query)
		require.NotNil(t, m, query)
		values, _, err := prom.api.LabelValues(context.Background(), m[2], []string{m[1]}, time.Now().Add(-time.Hour), time.Now())
		require.NoError(t, err)
		for _, value := range values {
			offered[variable.Name] = append(offered[variable.Name], string(value))
		}
	}
	assert.Equal(t, map[string][]string{"cluster": {"east", "west"}, "node": {"gw1", "gw2"}, "kind": {"host", "named"}, "namespace": {named.name}}, offered)
}
