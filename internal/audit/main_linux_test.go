// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// childVariable makes this program print what it may do instead of testing.
const childVariable = "XFRMRECEIVER_AUDIT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		printRights()
		return
	}
	os.Exit(m.Run())
}

func printRights() {
	// The first try opens descriptors of Go's own.
	_, _ = tryAll()
	before := descriptors()
	listenErr, statusErr := tryAll()
	_, _ = fmt.Fprintf(os.Stdout, "listen: %v\nstatus: %v\ninitial: %v\nleft: %d\n",
		listenErr, statusErr, HasInitialNamespace("/proc"), descriptors()-before)
}

func tryAll() (listenErr, statusErr error) {
	l, listenErr := Listen(sockets{})
	if listenErr == nil {
		_ = l.Close()
	}
	_, statusErr = GetStatus(context.Background(), sockets{})
	return listenErr, statusErr
}

// descriptors returns how many this process has.
func descriptors() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// rightsOf returns what printRights prints in a process with these attributes.
func rightsOf(t *testing.T, attributes *syscall.SysProcAttr) string {
	t.Helper()
	// Unlike its path, this link can be followed by any user.
	c := exec.Command("/proc/self/exe")
	// The race detector would let each child sleep before it exits.
	c.Env = append(os.Environ(), childVariable+"=1", "GORACE=atexit_sleep_ms=0")
	c.SysProcAttr = attributes
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	require.NoError(t, err, stderr.String())
	return string(out)
}

// sockets opens sockets in the namespace of this process.
type sockets struct{}

func (sockets) OpenSocket(protocol int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return -1, netns.ErrNoProtocol
	}
	return fd, err
}

// requireAudit skips a test that needs the kernel's audit subsystem and the right to
// use it.
func requireAudit(t *testing.T) {
	t.Helper()
	switch _, err := GetStatus(t.Context(), sockets{}); {
	case errors.Is(err, ErrNoAudit):
		skip(t, "needs audit: "+err.Error())
	case os.Getuid() != 0 || err != nil:
		skip(t, "needs root in the initial user and PID namespaces")
	case !HasInitialNamespace("/proc"):
		skip(t, "needs the initial network namespace: audit records are delivered nowhere else")
	}
}

// skip skips a test. In CI it fails instead.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("in CI nothing skips: ", why)
	}
	t.Skip(why)
}
