// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
)

// skip skips a test that cannot run here, and fails it in CI.
func skip(t *testing.T, why string) {
	t.Helper()
	need.Skip(t, why)
}

// requireRoot skips where namespaces cannot be made.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "needs root, to make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		skip(t, "needs ip of iproute2 (apt-get install iproute2)")
	}
	if _, err := os.Stat("/proc/net/xfrm_stat"); err != nil {
		skip(t, "needs a kernel with CONFIG_XFRM_STATISTICS: "+err.Error())
	}
}

// program returns the path of a binary that the Makefile built.
func program(t *testing.T, variable string) string {
	t.Helper()
	return need.Program(t, variable, "e2e")
}

// readStat returns the lines of this kernel's counters.
func readStat(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile("/proc/net/xfrm_stat")
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

func pid() int { return os.Getpid() }
