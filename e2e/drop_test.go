// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const dropConfig = `
receivers:
  xfrm:
    collection_interval: 200ms
    initial_delay: 0s
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:4317
    tls:
      insecure: true
  prometheus:
    endpoint: 127.0.0.1:9464
    without_scope_info: true
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [otlp_grpc, prometheus]
`

const scrapeConfig = `
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
  - job_name: xfrm
    static_configs:
      - targets: [127.0.0.1:9464]
`

// A policy drops exactly N packets; OTLP and Prometheus show exactly N more on
// that counter and nothing on the others.
func TestDroppedPacketsArrive(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	here.ip("xfrm", "policy", "add", "src", hereAddress, "dst", thereAddress, "dir", "out", "action", "block")

	sink := newOTLPSink(t, here)
	prom := newPrometheus(t, here, scrapeConfig)
	collector := run(t, here.command(program(t, "OTELCOL_XFRM"), "--config", writeFile(t, "config.yaml", dropConfig)))

	want := series(t, sink.next())
	content, err := os.ReadFile("/proc/net/xfrm_stat")
	require.NoError(t, err)
	require.Len(t, want, strings.Count(string(content), "\n"), "every counter of this kernel")
	for key, value := range want {
		require.Zero(t, value, key)
	}
	require.Eventually(t, func() bool { return maps.Equal(want, prom.series()) }, 30*time.Second, 100*time.Millisecond)

	for _, n := range []int{1, 17, 1000} {
		here.send(thereAddress, n)
		want["outbound/pol_block"] += int64(n)
		assert.Equal(t, want, series(t, sink.next()), "OTLP after %d more", n)
		assert.Eventually(t, func() bool { return maps.Equal(want, prom.series()) },
			30*time.Second, 100*time.Millisecond, "Prometheus after %d more", n)
	}

	md := sink.next()
	assert.Equal(t, bootTime(t), firstPoint(md).StartTimestamp().AsTime(), "boot")
	for _, dp := range points(md, "xfrm.netns.count") {
		assert.EqualValues(t, 1, dp.IntValue(), "the heartbeat")
	}

	assert.Less(t, collector.interrupt(), 10*time.Second)
	assert.NotContains(t, collector.output.String(), "\terror\t")
}

// bootTime is btime of /proc/stat.
func bootTime(t *testing.T) time.Time {
	t.Helper()
	stat, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(stat), "\nbtime ")
	require.True(t, ok)
	line, _, _ := strings.Cut(rest, "\n")
	seconds, err := strconv.ParseInt(line, 10, 64)
	require.NoError(t, err)
	return time.Unix(seconds, 0).UTC()
}
