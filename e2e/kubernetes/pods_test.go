// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

// deployedPods are a deployment, a pod that is still in its init container, and one in
// the node's network.
const deployedPods = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: web, image: "localhost/pod:1" }]
---
apiVersion: v1
kind: Pod
metadata: { name: begins, namespace: shop, labels: { app: begins } }
spec:
  terminationGracePeriodSeconds: 1
  initContainers: [{ name: first, image: "localhost/pod:1" }]
  containers: [{ name: main, image: "localhost/pod:1" }]
---
apiVersion: v1
kind: Pod
metadata: { name: router, namespace: shop, labels: { app: router } }
spec:
  terminationGracePeriodSeconds: 1
  hostNetwork: true
  containers: [{ name: router, image: "localhost/pod:1" }]
`

const staticPod = `
apiVersion: v1
kind: Pod
metadata: { name: static, namespace: shop, labels: { app: static } }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: static, image: "localhost/pod:1" }]
`

// deployPods creates the pods. They end with the test.
func deployPods(t *testing.T) {
	t.Helper()
	apply(t, deployedPods)
	manifest := filepath.Join(node.StaticPods, "static.yaml")
	require.NoError(t, os.WriteFile(manifest, []byte(staticPod), 0o600))
	t.Cleanup(func() {
		require.NoError(t, os.Remove(manifest))
		eventually(t, "the static pod ends", func() bool { return len(pods(t, "shop", "app=static")) == 0 })
	})
	for _, app := range []string{"web", "router", "static"} {
		running(t, app)
	}
	eventually(t, "the init container runs", func() bool {
		statuses := shopPod(t, "begins").Status.InitContainerStatuses
		return len(statuses) == 1 && statuses[0].State.Running != nil
	})
}

// running waits for the pod of an app to be ready.
func running(t *testing.T, app string) (found corev1.Pod) {
	t.Helper()
	eventually(t, app+" is ready", func() bool {
		all := pods(t, "shop", "app="+app)
		if len(all) == 1 {
			found = all[0]
		}
		return len(all) == 1 && ready(found)
	})
	return found
}

func shopPod(t *testing.T, app string) corev1.Pod {
	t.Helper()
	all := pods(t, "shop", "app="+app)
	require.Len(t, all, 1)
	return all[0]
}

// cgroupUID is the UID in the name of a pod's cgroup.
func cgroupUID(pod corev1.Pod) string {
	if hash := pod.Annotations["kubernetes.io/config.hash"]; hash != "" {
		return hash
	}
	return string(pod.UID)
}

// inPod is a process of a pod.
func inPod(t *testing.T, pod corev1.Pod) int {
	t.Helper()
	pids := processes(t, cgroupUID(pod))
	require.NotEmpty(t, pids)
	return pids[0]
}

// What the kernel drops in the network namespace of a pod is the pod's, and what it
// drops for a pod with hostNetwork is the node's. Every kind of pod is known: one of a
// deployment, one that is still in its init container, a static one, the collector's
// own.
func TestPods(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	deploy(t, "processes", everySecond)
	pod := collector(t)
	count := func() int64 { return scrape(t, pod).of("xfrm_netns_count")[""] }
	eventually(t, "the first scrape", func() bool { return count() > 0 })
	assert.EqualValues(t, 5, count(), "the node, three pods, the collector's own")

	web, begins, router, static := shopPod(t, "web"), shopPod(t, "begins"), shopPod(t, "router"), shopPod(t, "static")
	drop(t, inPod(t, web), 7)
	drop(t, inPod(t, begins), 8)
	drop(t, inPod(t, static), 9)
	drop(t, inPod(t, router), 10)
	own := pidOf(t, pod)
	drop(t, own, 11)
	want := metrics{
		byBlock:                                 blocked(t),
		byUID + string(web.UID) + " " + byBlock: 7,
		byUID + string(begins.UID) + " " + byBlock:                              8,
		byUID + static.Annotations["kubernetes.io/config.hash"] + " " + byBlock: 9,
		ownName(t, own) + " " + byBlock:                                         11,
	}
	require.Equal(t, want, shows(t, pod, dropped, want))
	verified("drops in a pod of a deployment, in an init container, in a static pod", "7, 8 and 9, by `k8s.pod.uid`")
	assert.NotEqual(t, string(static.UID), static.Annotations["kubernetes.io/config.hash"])
	verified("the UID of a static pod", "the annotation `kubernetes.io/config.hash` of its mirror pod, which has another UID in the API server")
	verified("drops for a pod with `hostNetwork`", "10 more of the node, and no namespace of its own")
	verified("drops in the collector's own pod", "11, by `%s`", strings.SplitN(ownName(t, own), "=", 2)[0])

	// The init container ends, and the pod keeps its series.
	_, id, _ := strings.Cut(begins.Status.InitContainerStatuses[0].ContainerID, "://")
	for _, pid := range processes(t, id) {
		require.NoError(t, syscall.Kill(pid, syscall.SIGTERM))
	}
	running(t, "begins")
	drop(t, inPod(t, begins), 100)
	want[byUID+string(begins.UID)+" "+byBlock] = 108
	require.Equal(t, want, shows(t, pod, dropped, want))
	verified("the init container ends, and 100 more are dropped", "108")

	// A pod ends, and so do its series. The next one begins at zero.
	kubectl(t, "--namespace", "shop", "delete", "pod", web.Name)
	next := running(t, "web")
	drop(t, inPod(t, next), 3)
	delete(want, byUID+string(web.UID)+" "+byBlock)
	shows(t, pod, dropped, metrics{byUID + string(next.UID) + " " + byBlock: 3})
	eventually(t, "as many namespaces as before", func() bool { return count() == 5 })
	verified("the pod of a deployment deleted, and 3 dropped in the one that replaces it", "3, by the new UID; as many namespaces as before")

	assert.Empty(t, complaints(logs(t)))
}

// ownName is how the collector names its own pod. It sees the path of its own cgroup
// from inside. With version 1, a runtime makes no cgroup namespace, and the UID is
// visible; with version 2, only the ID of the pod's sandbox.
func ownName(t *testing.T, pid int) string {
	t.Helper()
	pod := collector(t)
	if cgroupVersion() == "1" {
		return byUID + string(pod.UID)
	}
	for _, other := range processes(t, string(pod.UID)) {
		if other != pid {
			content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", other))
			require.NoError(t, err)
			return "container_id=" + filepath.Base(strings.TrimSpace(string(content)))
		}
	}
	require.Fail(t, "no sandbox")
	return ""
}
