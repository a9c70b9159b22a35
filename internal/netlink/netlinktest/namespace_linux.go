// SPDX-License-Identifier: Apache-2.0

// Package netlinktest makes network namespaces for tests that ask a real kernel.
package netlinktest

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Enter moves the test into a network namespace of its own, which goes with it. The
// test must not be parallel, and what it starts with go stays outside.
func Enter(tb testing.TB) {
	tb.Helper()
	if os.Getuid() != 0 {
		Skip(tb, "needs root, to make network namespaces")
	}
	// The thread is never unlocked, so it ends with the goroutine of the test.
	runtime.LockOSThread()
	require.NoError(tb, unix.Unshare(unix.CLONE_NEWNET))
}

// Skip skips a test that cannot run here, and fails it in CI, where all can.
func Skip(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatal("in CI nothing skips: ", why)
	}
	tb.Skip(why)
}

// Socket opens a netlink socket in the namespace of the test.
func Socket(tb testing.TB, protocol int) int {
	tb.Helper()
	if protocol == unix.NETLINK_XFRM && strconv.IntSize == 32 && strings.HasSuffix(machine(tb), "64") {
		// CI cannot run it here either: the 64-bit build of the same test runs.
		tb.Skip("needs a 32-bit kernel, or CONFIG_XFRM_USER_COMPAT")
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if protocol == unix.NETLINK_XFRM && errors.Is(err, unix.EPROTONOSUPPORT) {
		Skip(tb, "needs a kernel with CONFIG_XFRM_USER")
	}
	require.NoError(tb, err)
	return fd
}

// IP runs ip(8) in the namespace of the test, and returns what it says.
func IP(tb testing.TB, arguments string) (string, error) {
	tb.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		Skip(tb, "needs iproute2")
	}
	out, err := exec.Command("ip", strings.Fields(arguments)...).CombinedOutput() //nolint:gosec // a test's own arguments
	return string(out), err
}

// MustIP is IP for what has to succeed.
func MustIP(tb testing.TB, arguments string) {
	tb.Helper()
	out, err := IP(tb, arguments)
	require.NoError(tb, err, "ip %s: %s", arguments, out)
}

func machine(tb testing.TB) string {
	tb.Helper()
	var uts unix.Utsname
	require.NoError(tb, unix.Uname(&uts))
	return unix.ByteSliceToString(uts.Machine[:])
}
