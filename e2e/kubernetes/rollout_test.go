// SPDX-License-Identifier: Apache-2.0

package kubernetes

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

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

// scrapePods finds pods by their annotations, and labels what it scrapes as
// distribution/kubernetes/podmonitor.yaml does.
const scrapePods = `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [%s]
scrape_configs:
  - job_name: xfrm/otelcol-xfrm
    kubernetes_sd_configs: [{ role: pod, kubeconfig_file: %s }]
    relabel_configs:
      - { source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: "true" }
      - { source_labels: [__address__, __meta_kubernetes_pod_annotation_prometheus_io_port], regex: '([^:]+)(?::\d+)?;(\d+)', replacement: '$1:$2', target_label: __address__ }
      - { source_labels: [__meta_kubernetes_namespace], target_label: namespace }
      - { source_labels: [__meta_kubernetes_pod_container_name], target_label: container }
      - { source_labels: [__meta_kubernetes_pod_node_name], target_label: instance }
`

// A change of the ConfigMap restarts the pod. A Prometheus that finds it by its
// annotations has the same series before and after, and no alert fires.
func TestRollout(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	web := shopPod(t, "web")
	drop(t, inPod(t, web), 50)
	drop(t, self, 50)

	rules, err := filepath.Abs(filepath.Join("..", "..", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	data := t.TempDir()
	anHourOfHistory(t, data, map[string]int64{"": blocked(t), string(web.UID): 50})
	prom := newPrometheus(t, data, fmt.Sprintf(scrapePods, rules, cluster.Kubeconfig()))

	d := deploy(t, "processes", everySecond)
	before := collector(t)
	series := func() map[string]int64 { return prom.values(t, dropped, "k8s_pod_uid") }
	eventually(t, "Prometheus has the drops", func() bool {
		got := series()
		return got[""] == blocked(t) && got[string(web.UID)] == 50
	})
	assert.Empty(t, prom.alerts(t), "before")

	d.write("config.yaml", "receivers: { xfrm: { collection_interval: 1500ms } }\n")
	kubectl(t, "apply", "-k", d.folder)
	seen, after := map[string]string{}, before
	watch := func() (active int) {
		alerts := prom.alerts(t)
		for _, state := range alerts {
			assert.NotEqual(t, "firing", state, "%v", alerts)
		}
		maps.Copy(seen, alerts)
		return len(alerts)
	}
	eventually(t, "another pod is ready", func() bool {
		watch()
		if all := pods(t, "xfrm", collectors); len(all) == 1 {
			after = all[0]
		}
		return after.UID != before.UID && ready(after)
	})
	drop(t, inPod(t, web), 5)
	eventually(t, "Prometheus has the new drops", func() bool { return series()[string(web.UID)] == 55 })
	assert.Equal(t, blocked(t), series()[""])
	// Until Prometheus no longer scrapes the pod that has ended.
	eventually(t, "no alert is pending", func() bool { return watch() == 0 })
	t.Log("pending for a moment: ", seen)
	verified("a change of the ConfigMap, and 5 dropped in a pod", "another pod with the new configuration; Prometheus has the same series, 5 more; no alert of monitoring/alerts.yaml fires or is left pending")

	// The rules do see this Prometheus' series.
	drop(t, inPod(t, web), 30)
	eventually(t, "an alert", func() bool { return prom.alerts(t)["XfrmOutboundBlocked warning"] != "" })
	verified("30 dropped in a pod after that", "`XfrmOutboundBlocked` is pending")
}

// anHourOfHistory makes Prometheus believe that its rules recorded the node for an hour,
// so that a restart which looks like new drops would make them fire. The counts are those
// of pods, and of the node itself.
func anHourOfHistory(t *testing.T, data string, counts map[string]int64) {
	t.Helper()
	labels := fmt.Sprintf(`host_name=%q,namespace="xfrm"`, node.Name)
	var heartbeats, drops strings.Builder
	now := time.Now()
	for at := now.Add(-time.Hour); at.Before(now.Add(-time.Minute)); at = at.Add(30 * time.Second) {
		fmt.Fprintf(&heartbeats, "host:xfrm_netns_count:last{%s} 5 %d\n", labels, at.Unix())
		for uid, count := range counts {
			fmt.Fprintf(&drops, "host:xfrm_packet_dropped:last{%s,k8s_pod_uid=%q,direction=\"outbound\",reason=\"pol_block\"} %d %d\n", labels, uid, count, at.Unix())
		}
	}
	file := filepath.Join(t.TempDir(), "history.txt")
	require.NoError(t, os.WriteFile(file, []byte(heartbeats.String()+drops.String()+"# EOF\n"), 0o600))
	out, err := exec.Command(os.Getenv("PROMTOOL"), "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
