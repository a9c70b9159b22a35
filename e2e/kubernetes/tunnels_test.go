// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The overlays for tunnels count the policies and security associations of the node,
// and one of them those of pods. This kernel may have no ESP: an association that is
// being negotiated needs none.
func TestTunnels(t *testing.T) {
	requireCluster(t)
	deployPods(t)
	web := shopPod(t, "web")
	for _, overlay := range []string{"tunnels", "tunnels-pods"} {
		t.Run(overlay, func(t *testing.T) {
			deploy(t, overlay, everySecond)
			pod := collector(t)
			for _, pid := range []int{self, inPod(t, web)} {
				block(t, pid)
				inNetwork(t, pid, "ip", "xfrm", "state", "allocspi", "src", "192.0.2.1", "dst", "192.0.2.9", "proto", "esp", "mode", "tunnel", "min", "0x100", "max", "0x1ff")
				t.Cleanup(func() { inNetwork(t, pid, "ip", "xfrm", "state", "flush") })
			}
			policies, associations := metrics{"outbound namespace": 1}, metrics{"": 1}
			seen := "1 policy and 1 association of the node"
			if overlay == "tunnels-pods" {
				policies[byUID+string(web.UID)+" outbound namespace"], associations[byUID+string(web.UID)] = 1, 1
				seen += ", 1 and 1 of the pod"
			}
			shows(t, pod, "xfrm_policy_count", policies)
			shows(t, pod, "xfrm_sa_count", associations)
			assert.Empty(t, complaints(logs(t)))
			verified("overlay `"+overlay+"`: a policy and a larval association on the node and in a pod", "%s", seen)
		})
	}
}
