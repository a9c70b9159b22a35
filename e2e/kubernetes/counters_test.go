// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The overlay for the node alone shows all of its counters, as the kernel has them, and
// no namespace of a pod.
func TestCountersOfTheNode(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	for _, overlay := range []string{"host", "tunnels", "causes"} {
		t.Run(overlay, func(t *testing.T) {
			deploy(t, overlay, everySecond)
			pod := collector(t)
			drop(t, inPod(t, shopPod(t, "web")), 4)
			drop(t, self, 5)
			shows(t, pod, dropped, metrics{byBlock: blocked(t)})
			got := scrape(t, pod).of(dropped)
			content, err := os.ReadFile("/proc/self/net/xfrm_stat")
			require.NoError(t, err)
			assert.Len(t, got, strings.Count(string(content), "\n"), "every counter of this kernel")
			for name, value := range got {
				if name != byBlock {
					assert.Zero(t, value, name)
				}
			}
			verified("overlay `"+overlay+"`: 5 dropped on the node, 4 in a pod", "all %d counters of the node, exact, and no others", len(got))
		})
	}
}

// The overlay for named namespaces shows those that have a name on the node, also when
// they are created later, and pods by their UID.
func TestNamedNamespaces(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	deploy(t, "named", everySecond)
	pod, web := collector(t), shopPod(t, "web")
	command := func(args ...string) {
		t.Helper()
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	command("ip", "netns", "add", "blue")
	t.Cleanup(func() { command("ip", "netns", "del", "blue") })
	for _, args := range [][]string{
		{"-n", "blue", "link", "add", "blue0", "type", "veth", "peer", "name", "blue1"},
		{"-n", "blue", "address", "add", "203.0.113.1/24", "dev", "blue0"},
		{"-n", "blue", "link", "set", "blue0", "up"},
		{"-n", "blue", "link", "set", "blue1", "up"},
		{"-n", "blue", "route", "add", "default", "via", "203.0.113.2"},
	} {
		command(append([]string{"ip"}, args...)...)
	}
	command(append(append([]string{"ip", "-n", "blue", "xfrm", "policy", "add"}, policy...), "action", "block")...)
	command("ip", "netns", "exec", "blue", "pod", nowhere, "6")
	drop(t, inPod(t, web), 7)
	want := metrics{"netns_name=blue " + byBlock: 6, byUID + string(web.UID) + " " + byBlock: 7}
	for name := range shows(t, pod, dropped, want) {
		assert.NotContains(t, name, "netns_name=cni-")
	}
	assert.Empty(t, complaints(logs(t)))
	verified("overlay `named`: 6 dropped in a namespace that was named after the start, 7 in a pod", "6 by `netns.name`, 7 by `k8s.pod.uid`")
}
