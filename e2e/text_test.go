// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// scrape waits until a collector in the namespace serves drop counters to
// Prometheus, and returns them by the labels named, in that order and joined by
// blanks. Absent labels are left out.
func (n *namespace) scrape(c *process, labels ...string) map[string]int64 {
	n.t.Helper()
	return parseText(n.t, n.serves(c, drops), labels...)
}

// serves waits until a collector in the namespace serves a metric to Prometheus, and
// returns all that it serves.
func (n *namespace) serves(c *process, metric string) (text string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		response, err := n.client().Get("http://127.0.0.1:9464/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		content, err := io.ReadAll(response.Body)
		text = string(content)
		return err == nil && strings.Contains(text, metric+"{")
	}, slow, 100*time.Millisecond, "no %s from %v: %s", metric, c.cmd.Args, c.output)
	return text
}

const drops, policyCount = "xfrm_packet_dropped_total", "xfrm_policy_count"

func parseText(t *testing.T, text string, labels ...string) map[string]int64 {
	t.Helper()
	return parseMetric(t, text, drops, "reason", labels...)
}

// parsePolicies returns the numbers of policies, as parseText does the drops.
func parsePolicies(t *testing.T, text string, labels ...string) map[string]int64 {
	t.Helper()
	return parseMetric(t, text, policyCount, "xfrm_policy_scope", labels...)
}

func parseMetric(t *testing.T, text, metric, kind string, labels ...string) map[string]int64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	got := map[string]int64{}
	for _, metric := range families[metric].GetMetric() {
		values := map[string]string{}
		for _, label := range metric.GetLabel() {
			values[label.GetName()] = label.GetValue()
		}
		var key []string
		for _, label := range labels {
			if value := values[label]; value != "" {
				key = append(key, label+"="+value)
			}
		}
		name := strings.Join(append(key, values["direction"]+"/"+values[kind]), " ")
		require.NotContains(t, got, name, "two series with equal labels")
		got[name] = int64(metric.GetCounter().GetValue() + metric.GetGauge().GetValue())
	}
	return got
}
