// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// manyNamespaces mounts n namespaces, named 0000 and on, in a directory of the
// test's own, faster than ip(8) does. They end with the test.
func manyNamespaces(t *testing.T, n int) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "xfrm-e2e-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() {
		for i := range n {
			_ = unmount(filepath.Join(dir, fmt.Sprintf("%04d", i)))
		}
		_ = os.RemoveAll(dir)
	})
	require.NoError(t, onOwnThread(func() error {
		for i := range n {
			if err := mountNew(filepath.Join(dir, fmt.Sprintf("%04d", i))); err != nil {
				return err
			}
		}
		return nil
	}))
	return dir
}

// mountNew puts the calling thread into a new network namespace and mounts that.
func mountNew(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
}

func unmount(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Remove(path)
}

// onOwnThread runs f on a thread that is thrown away.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// resources are what a process has.
type resources struct{ descriptors, threads int }

func (p *process) resources() resources {
	p.t.Helper()
	return resources{p.count("fd"), p.count("task")}
}

func (p *process) count(dir string) int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, dir))
	require.NoError(p.t, err)
	return len(entries)
}

// resident is the resident memory of a process in KiB: a field of its status,
// VmRSS for now or VmHWM for the most that it ever was.
func (p *process) resident(field string) int {
	p.t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(p.t, err)
	_, rest, ok := strings.Cut(string(content), field+":")
	require.True(p.t, ok)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(p.t, err)
	return kib
}
