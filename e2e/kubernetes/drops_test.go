// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// processes returns the IDs of those whose cgroup has a name in its path.
func processes(t *testing.T, cgroup string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	require.NoError(t, err)
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && strings.Contains(string(content), cgroup) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			pids = append(pids, pid)
		}
	}
	return pids
}

// inNetwork runs a command in the network namespace of a process.
func inNetwork(t *testing.T, pid int, command ...string) {
	t.Helper()
	args := append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", pid)}, command...)
	out, err := exec.Command("nsenter", args...).CombinedOutput()
	require.NoError(t, err, "%v: %s", command, out)
}

// nowhere is an address that nobody has. Every namespace here has a route to it.
const nowhere = "198.51.100.1"

var policy = []string{"src", "0.0.0.0/0", "dst", nowhere + "/32", "dir", "out"}

// block lets a policy drop all that is sent to nowhere from the network namespace of a
// process.
func block(t *testing.T, pid int) {
	t.Helper()
	inNetwork(t, pid, append(append([]string{"ip", "xfrm", "policy", "update"}, policy...), "action", "block")...)
}

// drop makes the kernel drop packets in the network namespace of a process, and count
// each as outbound/pol_block.
func drop(t *testing.T, pid, packets int) {
	t.Helper()
	block(t, pid)
	inNetwork(t, pid, "pod", nowhere, strconv.Itoa(packets))
}

// self is a process of the node's own namespace.
var self = os.Getpid()

// blocked is what the node's own namespace has counted.
func blocked(t *testing.T) int64 {
	t.Helper()
	content, err := os.ReadFile("/proc/self/net/xfrm_stat")
	require.NoError(t, err)
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "XfrmOutPolBlock"); ok {
			count, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			require.NoError(t, err)
			return count
		}
	}
	require.Fail(t, "no XfrmOutPolBlock")
	return 0
}
