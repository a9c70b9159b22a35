// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

const gatewayPrometheus = `
otlp:
  promote_resource_attributes: [host.name, netns.name, k8s.pod.uid, container.id, container.name, systemd.unit.name, process.pid]
storage:
  tsdb: { out_of_order_time_window: 1d }
`

// The overlay for a gateway, with the Secret that docs/kubernetes.md creates, sends to a
// gateway with its shipped configuration, and through it to Prometheus. What cannot be
// sent waits, and survives a restart of the container.
func TestGateway(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	web := shopPod(t, "web")
	prom := newPrometheus(t, t.TempDir(), gatewayPrometheus, "--web.enable-otlp-receiver")
	authority, err := node.NewAuthority(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, authority.Issue("gateway", "gateway", "", node.Address))
	require.NoError(t, authority.Issue("node", node.Name, ""))

	queue := t.TempDir()
	startGateway := func() *process {
		t.Helper()
		return run(t, []string{
			"TLS_CA=" + authority.File("ca.crt"), "TLS_CERT=" + authority.File("gateway.crt"), "TLS_KEY=" + authority.File("gateway.key"),
			"LISTEN=" + node.Address + ":4317", "QUEUE=" + queue,
		}, os.Getenv("OTELCOL_XFRM"), "--config", filepath.Join("..", "..", "distribution", "config", "collector-gateway.yaml"))
	}
	gateway := startGateway()

	// The namespace must be there before its Secret.
	kubectl(t, "apply", "-f", filepath.Join("..", "..", "distribution", "kubernetes", "base", "namespace.yaml"))
	kubectl(t, "--namespace", "xfrm", "create", "secret", "generic", "otelcol-xfrm-tls",
		"--from-file=ca.crt="+authority.File("ca.crt"), "--from-file=tls.crt="+authority.File("node.crt"), "--from-file=tls.key="+authority.File("node.key"))
	deploy(t, "gateway", everySecond+"exporters: { otlp_grpc: { retry_on_failure: { max_interval: 1s } } }\n", `
patches:
  - patch: |-
      apiVersion: apps/v1
      kind: DaemonSet
      metadata: { name: otelcol-xfrm, namespace: xfrm }
      spec:
        template:
          spec:
            containers:
              - name: otelcol-xfrm
                env: [{ name: GATEWAY, value: "`+node.Address+`:4317" }]
`)
	pod := collector(t)
	hasRights(t, pidOf(t, pod), 65534, 0)
	assert.Equal(t, "hostPath volumes", refusedAt(t, "baseline"))
	arrives := func(want int64) {
		t.Helper()
		eventually(t, "the drops of the pod", func() bool {
			return prom.values(t, `xfrm_packet_dropped_total{host_name="`+node.Name+`"}`, "k8s_pod_uid")[string(web.UID)] == want
		})
	}
	drop(t, inPod(t, web), 5)
	arrives(5)
	log := logs(t)
	assert.Empty(t, complaints(log))
	verified("overlay `gateway` with its Secret: 5 dropped in a pod", "uid 65534, no capabilities; level `baseline` would refuse: hostPath volumes; Prometheus behind the gateway has 5")

	gateway.kill()
	drop(t, inPod(t, web), 6)
	eventually(t, "an export fails", func() bool { return strings.Contains(logs(t), "Exporting failed") })
	require.NoError(t, syscall.Kill(pidOf(t, pod), syscall.SIGKILL))
	eventually(t, "the container restarts", func() bool { return collector(t).Status.ContainerStatuses[0].RestartCount == 1 })
	drop(t, inPod(t, web), 7)
	startGateway()
	arrives(18)
	verified("the gateway killed, 6 dropped, the collector killed, 7 dropped, the gateway started", "18; `Exporting failed` in the log meanwhile")
}
