// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

const collectors = "app.kubernetes.io/name=otelcol-xfrm"

// deployment is a folder with a kustomization.yaml of a user, and a copy of
// distribution/kubernetes beside it.
type deployment struct {
	t      *testing.T
	folder string
}

// deploy applies an overlay with the component for a configuration, as
// docs/kubernetes.md says. It ends with the test.
func deploy(t *testing.T, overlay, configuration string, more ...string) *deployment {
	t.Helper()
	d := &deployment{t: t, folder: t.TempDir()}
	require.NoError(t, os.CopyFS(filepath.Join(d.folder, "kubernetes"), os.DirFS(filepath.Join("..", "..", "distribution", "kubernetes"))))
	d.write("config.yaml", configuration)
	d.write("kustomization.yaml", "resources: [kubernetes/overlays/"+overlay+"]\n"+
		"components: [kubernetes/components/configuration]\n"+
		"configMapGenerator: [{ name: otelcol-xfrm, namespace: xfrm, files: [config.yaml] }]\n"+strings.Join(more, ""))
	t.Cleanup(func() { kubectlWarns(t, "", "delete", "--ignore-not-found", "-k", d.folder) })
	d.apply()
	return d
}

func (d *deployment) write(file, content string) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(filepath.Join(d.folder, file), []byte(content), 0o600))
}

// apply applies what is in the folder now, and waits until it runs.
func (d *deployment) apply() {
	d.t.Helper()
	kubectl(d.t, "apply", "-k", d.folder)
	rolledOut(d.t)
}

func rolledOut(t *testing.T) {
	t.Helper()
	kubectl(t, "--namespace", "xfrm", "rollout", "status", "daemonset/otelcol-xfrm", "--timeout", slow.String())
}

// everySecond is the configuration of a user who does not want to wait.
const everySecond = "receivers: { xfrm: { collection_interval: 1s } }\n"

// collector is the pod of the DaemonSet.
func collector(t *testing.T) (found corev1.Pod) {
	t.Helper()
	eventually(t, "a pod that is ready", func() bool {
		all := pods(t, "xfrm", collectors)
		if len(all) == 1 && ready(all[0]) {
			found = all[0]
			return true
		}
		return false
	})
	return found
}

// pidOf is the process of the collector in its pod.
func pidOf(t *testing.T, pod corev1.Pod) (found int) {
	t.Helper()
	for _, pid := range processes(t, string(pod.UID)) {
		if name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && name == "/usr/bin/otelcol-xfrm" {
			require.Zero(t, found, "one")
			found = pid
		}
	}
	require.NotZero(t, found)
	return found
}

// metrics are values by metric and labels. The labels of what is counted, as direction
// and reason, come as values alone, after those that name the network namespace.
type metrics map[string]int64

// scrape returns what the pod's container serves.
func scrape(t *testing.T, pod corev1.Pod) metrics {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("http://%s:9464/metrics", pod.Status.PodIP))
	if err != nil {
		return nil // it is about to start or to end
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(content)))
	require.NoError(t, err)
	got := metrics{}
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			key := []string{name}
			var kind []string
			for _, label := range metric.GetLabel() {
				switch label.GetName() {
				case "host_name":
					assert.Equal(t, node.Name, label.GetValue())
				case "job", "instance", "service_name", "service_instance_id":
				case "direction", "reason", "xfrm_policy_scope", "xfrm_sa_state", "type":
					kind = append(kind, label.GetValue())
				default:
					key = append(key, label.GetName()+"="+label.GetValue())
				}
			}
			all := strings.Join(append(key, kind...), " ")
			require.NotContains(t, got, all, "two series with equal labels")
			got[all] = int64(metric.GetCounter().GetValue() + metric.GetGauge().GetValue())
		}
	}
	return got
}

// of returns the values of one metric, by what is left of the names.
func (m metrics) of(metric string) metrics {
	found := metrics{}
	for name, value := range m {
		if rest, ok := strings.CutPrefix(name, metric+" "); ok {
			found[rest] = value
		} else if name == metric {
			found[""] = value
		}
	}
	return found
}

const (
	dropped = "xfrm_packet_dropped_total"
	byBlock = "outbound pol_block"
	byUID   = "k8s_pod_uid="
)

// shows waits until the collector shows values of a metric.
func shows(t *testing.T, pod corev1.Pod, metric string, want metrics) metrics {
	t.Helper()
	var got metrics
	defer func() {
		if t.Failed() {
			t.Logf("%s: %v", metric, got)
		}
	}()
	eventually(t, fmt.Sprintf("%s %v", metric, want), func() bool {
		got = scrape(t, pod).of(metric)
		for name, value := range want {
			if has, ok := got[name]; !ok || has != value {
				return false
			}
		}
		return true
	})
	return got
}

// logs are those of the collector.
func logs(t *testing.T) string {
	t.Helper()
	return kubectl(t, "--namespace", "xfrm", "logs", "-l", collectors, "--tail=-1")
}

// complaints are the warnings and errors in a log.
func complaints(log string) (found []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "\twarn\t") || strings.Contains(line, "\terror\t") {
			found = append(found, line)
		}
	}
	return found
}
