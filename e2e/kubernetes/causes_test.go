// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The overlay for causes prints events of the node as log records. The kernel delivers
// audit records in the initial network namespace only, which this node is not in: that
// is said once, and everything else works.
func TestCauses(t *testing.T) {
	requireCluster(t)
	deploy(t, "causes", "receivers: { xfrm: { collection_interval: 1s, events: { xfrm.policy.changed: { enabled: true } } } }\n")
	drop(t, self, 5)
	const record = "the outbound policy for packets from 0.0.0.0/0 to 203.0.113.1/32 was created (block)"
	inNetwork(t, self, "ip", "xfrm", "policy", "add", "src", "0.0.0.0/0", "dst", "203.0.113.1/32", "dir", "out", "action", "block")
	t.Cleanup(func() {
		inNetwork(t, self, "ip", "xfrm", "policy", "delete", "src", "0.0.0.0/0", "dst", "203.0.113.1/32", "dir", "out")
	})
	eventually(t, "the record", func() bool { return strings.Contains(logs(t), record) })
	all := complaints(logs(t))
	if assert.Len(t, all, 1) {
		assert.Contains(t, all[0], "the kernel delivers audit records in the initial network namespace only")
	}
	verified("overlay `causes`: a policy created on the node", "its record in `kubectl logs`, and one error: this node is not in the initial network namespace, so it gets no audit records")
}
