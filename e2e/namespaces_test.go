// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// toSink sends to the OTLP sink every 200 ms. The receiver's settings follow.
const toSink = `
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:4317
    tls:
      insecure: true
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [otlp_grpc]
receivers:
  xfrm:
    collection_interval: 200ms
    initial_delay: 0s
`

// unprivileged are the arguments that run a command as nobody, with no capability
// but those named.
func unprivileged(capabilities ...string) []string {
	args := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"}
	set := ""
	for _, c := range capabilities {
		set += ",+" + c
	}
	if set != "" {
		args = append(args, "--inh-caps="+set[1:], "--ambient-caps="+set[1:])
	}
	return append(args, "--bounding-set=-all"+set)
}

// public writes a file that nobody can read.
func public(t *testing.T, name, content string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "xfrm-e2e-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// collector starts a collector in the namespace as nobody.
func (n *namespace) collector(config string, capabilities ...string) *process {
	n.t.Helper()
	args := append(unprivileged(capabilities...), publicProgram(n.t), "--config", public(n.t, "config.yaml", config))
	return run(n.t, n.command(args...))
}

// publicProgram copies the collector to where nobody can run it.
func publicProgram(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(program(t, "OTELCOL_XFRM"))
	require.NoError(t, err)
	path := public(t, "otelcol-xfrm", string(content))
	require.NoError(t, os.Chmod(path, 0o755))
	return path
}

// sleep starts a process in the namespace and returns its PID.
func (n *namespace) sleep() int {
	n.t.Helper()
	p := run(n.t, exec.Command("nsenter", "--net=/run/netns/"+n.name, "sleep", "600"))
	pid := p.cmd.Process.Pid
	require.Eventually(n.t, func() bool {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return err == nil && strings.TrimSpace(string(comm)) == "sleep"
	}, 10*time.Second, time.Millisecond)
	return pid
}

// resource are the values of one resource of a scrape, by direction and reason.
func resource(t *testing.T, md pmetric.Metrics, attributes string) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	for key, value := range series(t, md) {
		if rest, ok := strings.CutPrefix(key, attributes); ok && !strings.Contains(rest, "=") {
			got[rest] = value
		}
	}
	return got
}

// nonZero keeps the counters that counted.
func nonZero(all map[string]int64) map[string]int64 {
	got := maps.Clone(all)
	maps.DeleteFunc(got, func(_ string, v int64) bool { return v == 0 })
	return got
}

func block(ns *namespace, to string) {
	ns.ip("xfrm", "policy", "add", "dst", to, "dir", "out", "action", "block")
}

// As nobody with CAP_SYS_ADMIN alone, and without any capability.
func TestPrivileges(t *testing.T) {
	requireRoot(t)
	monitor := newNamespace(t)
	here, there := pair(t)
	block(here, thereAddress)
	here.send(thereAddress, 5)
	block(there, hereAddress)
	there.send(hereAddress, 7)
	pid := there.sleep()
	sink := newOTLPSink(t, monitor)
	named := toSink + fmt.Sprintf(`
    network_namespaces:
      processes: true
      named:
        include: [%q, %q]
`, here.name, there.name)

	t.Run("CAP_SYS_ADMIN alone", func(t *testing.T) {
		c := monitor.collector(named, "sys_admin")
		got := sink.next()
		assert.Equal(t, map[string]int64{"outbound/pol_block": 5}, nonZero(resource(t, got, "netns.name="+here.name+" ")))
		assert.Equal(t, map[string]int64{"outbound/pol_block": 7}, nonZero(resource(t, got, "netns.name="+there.name+" ")))
		assert.Empty(t, nonZero(resource(t, got, "")), "the main one is the collector's own")
		assert.Empty(t, resource(t, got, fmt.Sprintf("process.pid=%d ", pid)), "found in two ways, emitted once")
		c.interrupt()
		assert.NotContains(t, c.output.String(), "\terror\t")
	})

	t.Run("no capability", func(t *testing.T) {
		c := monitor.collector(named)
		sink.next()
		got := sink.next()
		assert.Empty(t, resource(t, got, "netns.name="+here.name+" "))
		assert.Equal(t, map[string]int64{"outbound/pol_block": 7}, nonZero(resource(t, got, fmt.Sprintf("process.pid=%d ", pid))))
		assert.NotEmpty(t, resource(t, got, ""))
		c.interrupt()
		assert.Equal(t, 1, strings.Count(c.output.String(), "CAP_SYS_ADMIN"), "one message")
		assert.Contains(t, c.output.String(), " and 1 more: entering a network namespace")
	})
}

// What hidepid=2 hides is said.
func TestHidepid(t *testing.T) {
	requireRoot(t)
	monitor := newNamespace(t)
	sink := newOTLPSink(t, monitor)
	config := public(t, "config.yaml", toSink+"\n    network_namespaces:\n      processes: true\n")
	args := append(unprivileged(), publicProgram(t), "--config", config)
	script := fmt.Sprintf("mount -t proc -o hidepid=2 proc /proc && exec %s", strings.Join(args, " "))
	c := run(t, monitor.command("unshare", "--mount", "sh", "-c", script))
	sink.next()
	assert.NotEmpty(t, resource(t, sink.next(), ""), "the main one is there")
	c.interrupt()
	assert.Equal(t, 1, strings.Count(c.output.String(), "proc hides the processes"), "one message")
}

// A namespace that is deleted and made anew has a new start time, and no rate in
// Prometheus is negative.
func TestRecreatedNamespace(t *testing.T) {
	requireRoot(t)
	monitor := newNamespace(t)
	sink := newOTLPSink(t, monitor)
	prom := newPrometheus(t, monitor, scrapeConfig)
	const name = "xfrm-e2e-again"
	config := strings.Replace(toSink, "exporters:\n  otlp_grpc:", `exporters:
  prometheus:
    endpoint: 127.0.0.1:9464
    without_scope_info: true
    resource_constant_labels:
      included: [netns.name]
  otlp_grpc:`, 1)
	config = strings.Replace(config, "exporters: [otlp_grpc]", "exporters: [otlp_grpc, prometheus]", 1) +
		"\n    network_namespaces:\n      named:\n        include: [" + name + "]\n"
	monitor.collector(config, "sys_admin")

	drop := func(count int) time.Time {
		ns, other := newNamedNamespace(t, name), newNamespace(t)
		join(ns, other)
		block(ns, thereAddress)
		ns.send(thereAddress, count)
		want := map[string]int64{"outbound/pol_block": int64(count)}
		var md pmetric.Metrics
		require.Eventually(t, func() bool {
			md = sink.next()
			return maps.Equal(want, nonZero(resource(t, md, "netns.name="+name+" ")))
		}, 20*time.Second, 10*time.Millisecond)
		require.Eventually(t, func() bool {
			got := prom.seriesOf(`xfrm_packet_dropped_total{netns_name="`+name+`"} > 0`, "direction", "reason")
			return maps.Equal(want, got)
		}, 20*time.Second, 100*time.Millisecond)
		for _, rm := range md.ResourceMetrics().All() {
			if n, ok := rm.Resource().Attributes().Get("netns.name"); ok && n.AsString() == name {
				return rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).StartTimestamp().AsTime()
			}
		}
		return time.Time{}
	}
	begin := time.Now()
	first := drop(50)
	ip(t, "netns", "del", name)
	middle := time.Now()
	second := drop(3)
	assert.Equal(t, bootTime(t), first)
	// It begins anew at the time of the last point of the first.
	assert.WithinRange(t, second, begin, middle.Add(time.Second))
	for _, sample := range prom.query(`increase(xfrm_packet_dropped_total{netns_name="` + name + `"}[5m])`) {
		assert.GreaterOrEqual(t, float64(sample.Value), 0.0)
	}
	resets := prom.query(`resets(xfrm_packet_dropped_total{netns_name="` + name + `",reason="pol_block",direction="outbound"}[5m])`)
	require.Len(t, resets, 1)
	assert.Equal(t, 1, int(resets[0].Value))
}
