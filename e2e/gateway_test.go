// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faster makes the shipped configurations, which are for 30 s, fit for a test.
const faster = `
exporters:
  %s:
    retry_on_failure: { initial_interval: 100ms, max_interval: 200ms }
`

// An agent also writes what it sends into a file, to compare with.
const agentExtra = `
receivers:
  xfrm: { collection_interval: 200ms, initial_delay: 0s }
exporters:
  file: { path: "${env:SENT}", append: true }
service:
  pipelines:
    metrics: { exporters: [otlp_grpc, file] }
`

const gatewayPrometheus = `
otlp:
  promote_resource_attributes: [host.name, netns.name, k8s.pod.uid, container.id, container.name, systemd.unit.name, process.pid]
storage:
  tsdb: { out_of_order_time_window: 1d }
`

// Two agents, one gateway and a real Prometheus, as they are shipped: the hosts
// stay apart, and each sample of an agent arrives, although the gateway is killed,
// an agent is restarted while there is none, and Prometheus is away. A stranger
// gets nothing in.
func TestGateway(t *testing.T) {
	requireRoot(t)
	here, there := pair(t)
	ca := newAuthority(t)
	data := t.TempDir()
	prom := newPrometheusOn(t, there, data, gatewayPrometheus, "--web.enable-otlp-receiver")

	queue := t.TempDir()
	startGateway := func() *process {
		cmd := there.command(program(t, "OTELCOL_XFRM"), "--config", shipped("collector-gateway.yaml"),
			"--config", writeFile(t, "faster.yaml", fmt.Sprintf(faster, "otlp_http")))
		cmd.Env = append(append(os.Environ(), ca.issue(thereAddress)...),
			"LISTEN="+thereAddress+":4317", "HEALTH=127.0.0.1:13134", "QUEUE="+queue)
		return run(t, cmd)
	}
	gateway := startGateway()

	// To YAML these two are one number.
	const octal, decimal = "0123", "83"
	type agent struct {
		*namespace
		*process
		environment []string
		sent        string
	}
	start := func(a *agent) {
		cmd := a.command(program(t, "OTELCOL_XFRM"),
			"--config", shipped("host.yaml"), "--config", shipped("to-gateway.yaml"),
			"--config", writeFile(t, "extra.yaml", agentExtra),
			"--config", writeFile(t, "faster.yaml", fmt.Sprintf(faster, "otlp_grpc")))
		cmd.Env = append(os.Environ(), a.environment...)
		a.process = run(t, cmd)
	}
	agents := map[string]*agent{}
	for name, ns := range map[string]*namespace{octal: here, decimal: there} {
		a := &agent{namespace: ns, sent: filepath.Join(t.TempDir(), "otlp.json")}
		a.environment = append(ca.issue(hereAddress), "GATEWAY="+thereAddress+":4317",
			"QUEUE="+t.TempDir(), "SENT="+a.sent, "HOST_NAME="+name)
		agents[name] = a
		start(a)
		// Not the neighbour's address: the agent needs that one.
		block(ns, "192.0.2.3")
	}
	// Whoever has a certificate of another authority is refused. No figure of it arrives:
	// what is waited for below names all hosts.
	stranger := &agent{namespace: here, environment: append(ca.issue(hereAddress), "GATEWAY="+thereAddress+":4317",
		"QUEUE="+t.TempDir(), "SENT="+filepath.Join(t.TempDir(), "otlp.json"), "HOST_NAME=stranger", "HEALTH=127.0.0.1:13135")}
	for _, variable := range newAuthority(t).issue(hereAddress) {
		if !strings.HasPrefix(variable, "TLS_CA=") {
			stranger.environment = append(stranger.environment, variable)
		}
	}
	start(stranger)
	eventually(t, "the stranger is refused", func() bool {
		return strings.Contains(stranger.output.String(), "Exporting failed")
	})

	arrive := func(what string, first, second int64) {
		t.Helper()
		want := map[string]int64{octal: first, decimal: second}
		var got map[string]int64
		require.Eventually(t, func() bool {
			got = prom.seriesOf(`xfrm_packet_dropped_total{reason="pol_block",direction="outbound"}`, "host_name")
			return assert.ObjectsAreEqual(want, got)
		}, slow, 100*time.Millisecond, what)
	}
	here.send("192.0.2.3", 5)
	there.send("192.0.2.3", 7)
	arrive("two hosts, apart", 5, 7)

	gateway.kill()
	here.send("192.0.2.3", 10)
	time.Sleep(2 * time.Second)
	agents[octal].interrupt()
	start(agents[octal])
	there.send("192.0.2.3", 20)
	time.Sleep(2 * time.Second)
	gateway = startGateway()
	arrive("what waited in the agents", 15, 27)

	prom.process.kill()
	here.send("192.0.2.3", 1)
	time.Sleep(2 * time.Second)
	gateway.kill()
	there.send("192.0.2.3", 2)
	startGateway()
	time.Sleep(time.Second)
	prom = newPrometheusOn(t, there, data, gatewayPrometheus, "--web.enable-otlp-receiver")
	arrive("what waited in the gateway", 16, 29)

	samples := 0
	for name, a := range agents {
		a.interrupt()
		want := map[time.Time]int64{}
		for _, md := range (&otlpSink{t: t, file: a.sent}).scrapes() {
			for _, dp := range points(md, "xfrm.packet.dropped") {
				if point(dp.Attributes()) == "outbound/pol_block" {
					want[dp.Timestamp().AsTime().Truncate(time.Millisecond)] = dp.IntValue()
				}
			}
		}
		samples += len(want)
		require.Greater(t, len(want), 30)
		eventually(t, "the last of "+name, func() bool {
			got := prom.samples(fmt.Sprintf(`xfrm_packet_dropped_total{reason="pol_block",direction="outbound",host_name=%q}[10m]`, name))
			return assert.ObjectsAreEqual(want, got)
		})
	}
	verified("two agents, a gateway killed twice, an agent restarted without it, Prometheus away",
		fmt.Sprintf("Prometheus has each of the %d samples that the agents sent, with its value and time", samples),
		"`Exporting failed` in the logs meanwhile, then a graph without a gap")
}
