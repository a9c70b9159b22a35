// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shipped is the path of a configuration in distribution/config.
func shipped(name string) string { return filepath.Join("..", "distribution", "config", name) }

// With the shipped configurations a real Prometheus holds every series of 20
// namespaces, whichever way they come.
func TestPrometheusKeepsNamespacesApart(t *testing.T) {
	requireRoot(t)
	monitor := newNamespace(t)
	const pairs = 10
	want := map[string]int64{}
	var names []string
	for i := range pairs {
		here, there := pair(t)
		for ns, to := range map[*namespace]string{here: thereAddress, there: hereAddress} {
			block(ns, to)
		}
		here.send(thereAddress, 2*i+1)
		there.send(hereAddress, 2*i+2)
		want["gateway-1/"+here.name] = int64(2*i + 1)
		want["gateway-1/"+there.name] = int64(2*i + 2)
		names = append(names, here.name, there.name)
	}
	counters := len(readStat(t))
	override := writeFile(t, "override.yaml", fmt.Sprintf(`
receivers:
  xfrm:
    collection_interval: 500ms
    initial_delay: 0s
    network_namespaces:
      named:
        include: [%q]
`, fmt.Sprintf("xfrm-e2e-%d-*", pid())))

	for name, way := range map[string]struct {
		config string
		flags  []string
		shared []string
	}{
		"scrape":       {scrapeConfig, nil, nil},
		"remote write": {"{}", []string{"--web.enable-remote-write-receiver"}, []string{shipped("to-remote-write.yaml")}},
		"OTLP": {
			"otlp:\n  promote_resource_attributes: [host.name, netns.name, k8s.pod.uid, container.id, process.pid]\n",
			[]string{"--web.enable-otlp-receiver"},
			[]string{shipped("to-prometheus-otlp.yaml")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			prom := newPrometheus(t, monitor, way.config, way.flags...)
			args := []string{"env", "HOST_NAME=gateway-1", program(t, "OTELCOL_XFRM"), "--config", shipped("gateway.yaml"), "--config", override}
			for _, file := range way.shared {
				args = append(args, "--config", file)
			}
			c := run(t, monitor.command(args...))
			const dropped = `xfrm_packet_dropped_total{direction="outbound",reason="pol_block",netns_name=~".+"}`
			// The monitor's own namespace matches the pattern too, and stays bare.
			assert.Eventually(t, func() bool {
				return maps.Equal(want, prom.seriesOf(dropped, "host_name", "netns_name"))
			}, 30*time.Second, 200*time.Millisecond)
			assert.Equal(t, want, prom.seriesOf(dropped, "host_name", "netns_name"))
			assert.Equal(t, map[string]int64{"": int64((len(names) + 1) * counters)}, prom.seriesOf("count(xfrm_packet_dropped_total)"))
			assert.Equal(t, map[string]int64{"": int64(counters)}, prom.seriesOf(`count(xfrm_packet_dropped_total{netns_name=""})`))
			c.interrupt()
			require.NotContains(t, c.output.String(), "\terror\t")
		})
	}
}
