// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The overlay for names gives each pod its name, namespace and deployment, through the
// API server and with the rights of its role. A static pod has none, as
// docs/kubernetes.md says, and can be found by the hash.
func TestNames(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	deploy(t, "names", everySecond, "images: [{ name: otelcol-xfrm, newTag: names }]\n")
	pod := collector(t)
	hasRights(t, pidOf(t, pod), 65534, 0)
	assert.Equal(t, "hostPath volumes", refusedAt(t, "baseline"))
	web, begins, static := shopPod(t, "web"), shopPod(t, "begins"), shopPod(t, "static")
	drop(t, self, 1)
	drop(t, inPod(t, web), 2)
	drop(t, inPod(t, begins), 3)
	drop(t, inPod(t, static), 4)
	hash := static.Annotations["kubernetes.io/config.hash"]
	want := metrics{
		byBlock: blocked(t),
		"k8s_deployment_name=web k8s_namespace_name=shop k8s_pod_name=" + web.Name + " " + byUID + string(web.UID) + " " + byBlock: 2,
		"k8s_namespace_name=shop k8s_pod_name=begins " + byUID + string(begins.UID) + " " + byBlock:                                3,
		byUID + hash + " " + byBlock: 4,
	}
	require.Equal(t, want, shows(t, pod, dropped, want))
	assert.Empty(t, complaints(logs(t)))
	verified("overlay `names`: 1 dropped on the node, 2 in a pod of a deployment, 3 in another pod",
		"their labels `k8s_namespace_name`, `k8s_pod_name`, `k8s_deployment_name` are right")
	verified("overlay `names` applied", "uid 65534, no capabilities; level `baseline` would refuse: hostPath volumes")
	verified("overlay `names`: 4 dropped in a static pod", "4, by the hash, without names")

	var list struct {
		Items []struct {
			Metadata struct {
				Annotations     map[string]string
				Namespace, Name string
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(kubectl(t, "get", "pods", "-A", "-o", "json")), &list))
	var found []string
	for _, item := range list.Items {
		if item.Metadata.Annotations["kubernetes.io/config.hash"] == hash {
			found = append(found, item.Metadata.Namespace+"/"+item.Metadata.Name)
		}
	}
	assert.Equal(t, []string{"shop/" + static.Name}, found, "as the page says how to find it")

	rights := func(account string) []string {
		var found []string
		for line := range strings.Lines(kubectl(t, "auth", "can-i", "--list", "--no-headers", "--namespace=shop", "--as=system:serviceaccount:"+account)) {
			found = append(found, strings.Join(strings.Fields(line), " "))
		}
		return found
	}
	everybody := rights("shop:default")
	own := slices.DeleteFunc(rights("xfrm:otelcol-xfrm"), func(right string) bool { return slices.Contains(everybody, right) })
	assert.Equal(t, []string{"pods [] [] [get list watch]"}, own)
	verified("what the account of `names` may do", "what every account may, and `get`, `list` and `watch` pods")
}
