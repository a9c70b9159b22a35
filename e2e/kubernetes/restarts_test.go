// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

// Whatever ends the collector, it comes back and shows what the kernel has counted
// meanwhile: nothing is lost, because the kernel counts.
func TestRestarts(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	deploy(t, "processes", everySecond)
	pod, web := collector(t), shopPod(t, "web")
	ofWeb, sent := byUID+string(web.UID)+" "+byBlock, 0
	dropInWeb := func(packets int) {
		drop(t, inPod(t, web), packets)
		sent += packets
	}
	dropInWeb(5)
	shows(t, pod, dropped, metrics{ofWeb: int64(sent)})

	require.NoError(t, syscall.Kill(pidOf(t, pod), syscall.SIGKILL))
	dropInWeb(6)
	eventually(t, "the container restarts", func() bool {
		pod = collector(t)
		return pod.Status.ContainerStatuses[0].RestartCount == 1
	})
	shows(t, pod, dropped, metrics{ofWeb: int64(sent), byBlock: blocked(t)})
	verified("the collector killed, and 6 dropped in a pod meanwhile", "1 restart, ready, 5 + 6 drops")

	before := pod.UID
	kubectl(t, "--namespace", "xfrm", "delete", "pod", pod.Name)
	dropInWeb(7)
	pod = collector(t)
	assert.NotEqual(t, before, pod.UID)
	shows(t, pod, dropped, metrics{ofWeb: int64(sent), byBlock: blocked(t)})
	verified("the collector's pod deleted, and 7 dropped in a pod meanwhile", "another pod, ready, 5 + 6 + 7 drops")

	before = pod.UID
	_, warnings := kubectlWarns(t, "", "drain", node.Name, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout", slow.String())
	t.Cleanup(func() { kubectl(t, "uncordon", node.Name) })
	for line := range strings.Lines(warnings) {
		assert.Regexp(t, `^Warning: (ignoring DaemonSet-managed|deleting Pods that declare no controller)`, line)
	}
	eventually(t, "the pods have gone", func() bool { return len(pods(t, "shop", "app in (begins, router)")) == 0 })
	pod = collector(t)
	assert.Equal(t, before, pod.UID)
	shows(t, pod, dropped, metrics{byBlock: blocked(t)})
	assert.Empty(t, complaints(logs(t)))
	verified("the node drained", "the command ends; the other pods go; the collector stays and shows the node's counters")
}

// A collector that hangs fails its liveness probe, and is started again.
func TestLiveness(t *testing.T) {
	requireCluster(t)
	// Not two minutes.
	deploy(t, "host", everySecond, "patches:\n"+
		"  - target: { kind: DaemonSet }\n"+
		"    patch: |-\n"+
		"      - { op: replace, path: /spec/template/spec/containers/0/livenessProbe/periodSeconds, value: 1 }\n"+
		"      - { op: add, path: /spec/template/spec/terminationGracePeriodSeconds, value: 1 }\n")
	pod := collector(t)
	require.NoError(t, syscall.Kill(pidOf(t, pod), syscall.SIGSTOP))
	eventually(t, "the container restarts", func() bool {
		pod = collector(t)
		return pod.Status.ContainerStatuses[0].RestartCount == 1
	})
	shows(t, pod, dropped, metrics{byBlock: blocked(t)})
	verified("the collector stopped (SIGSTOP)", "the liveness probe fails, 1 restart, ready")
}
