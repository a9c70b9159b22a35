// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// requireRoot skips where namespaces cannot be made; in CI that fails.
func requireRoot(t *testing.T) {
	t.Helper()
	why := ""
	if os.Getuid() != 0 {
		why = "needs root, to make network namespaces"
	} else if _, err := os.Stat("/proc/net/xfrm_stat"); err != nil {
		why = "needs a kernel with CONFIG_XFRM_STATISTICS: " + err.Error()
	}
	if why != "" {
		skip(t, why)
	}
}

// skip skips a test that cannot run here, and fails it in CI, where all can.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("in CI nothing skips: ", why)
	}
	t.Skip(why)
}

// lab is a directory of named namespaces of the test's own.
type lab struct {
	t   *testing.T
	dir string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	requireRoot(t)
	l := &lab{t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		entries, err := os.ReadDir(l.dir)
		require.NoError(t, err)
		for _, e := range entries {
			_ = unix.Unmount(filepath.Join(l.dir, e.Name()), unix.MNT_DETACH)
		}
	})
	return l
}

// add makes a namespace as ip-netns(8) does: by a bind mount.
func (l *lab) add(name string) {
	l.t.Helper()
	require.NoError(l.t, onThrownAwayThread(func() error { return addNamespace(filepath.Join(l.dir, name)) }))
}

// addLater is add, at a later time on the clock of the file system, whose ticks are
// coarse: a mount that is made anew within one tick looks like the old one.
func (l *lab) addLater(name string) {
	l.t.Helper()
	path := filepath.Join(l.t.TempDir(), "now")
	changed := func() int64 {
		require.NoError(l.t, os.WriteFile(path, nil, 0o600))
		require.NoError(l.t, os.Chmod(path, 0o600))
		var st unix.Stat_t
		require.NoError(l.t, unix.Stat(path, &st))
		return st.Ctim.Nano()
	}
	for before := changed(); changed() == before; {
	}
	l.add(name)
}

func addNamespace(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	return unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
}

func (l *lab) del(name string) {
	l.t.Helper()
	require.NoError(l.t, delNamespace(filepath.Join(l.dir, name)))
}

func delNamespace(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Remove(path)
}

// onThrownAwayThread runs f on a thread that ends with it.
func onThrownAwayThread(f func() error) error {
	done := make(chan error)
	go onSpareThread(func() (reusable bool) {
		done <- f()
		return false
	})
	return <-done
}

// sleepIn starts a process in a new namespace and returns its PID.
func (l *lab) sleepInNew() int {
	l.t.Helper()
	return l.sleep(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}, "sleep", "300")
}

// sleepIn starts a process in a named namespace and returns its PID.
func (l *lab) sleepIn(name string) int {
	l.t.Helper()
	return l.sleep(nil, "nsenter", "--net="+filepath.Join(l.dir, name), "sleep", "300")
}

// sleepWith starts a process in the namespace of another.
func (l *lab) sleepWith(pid int) int {
	l.t.Helper()
	return l.sleep(nil, "nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", pid), "sleep", "300")
}

func (l *lab) sleep(attr *syscall.SysProcAttr, args ...string) int {
	l.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = attr
	require.NoError(l.t, cmd.Start())
	l.t.Cleanup(func() { end(cmd.Process) })
	pid := cmd.Process.Pid
	// nsenter becomes sleep once it is inside.
	require.Eventually(l.t, func() bool {
		comm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		return err == nil && strings.TrimSpace(string(comm)) == "sleep"
	}, waitFor, tick)
	return pid
}

// sleepWithoutFirstThread starts this test binary in a new namespace as a process
// whose first thread has ended.
func (l *lab) sleepWithoutFirstThread() int {
	l.t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "XFRM_TEST_NO_FIRST_THREAD=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	require.NoError(l.t, cmd.Start())
	l.t.Cleanup(func() { end(cmd.Process) })
	status := filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status")
	require.Eventually(l.t, func() bool {
		content, err := os.ReadFile(status)
		return err == nil && strings.Contains(string(content), "State:\tZ")
	}, waitFor, tick)
	return cmd.Process.Pid
}

// kill ends a process and waits for it.
func (l *lab) kill(pid int) {
	l.t.Helper()
	p, err := os.FindProcess(pid)
	require.NoError(l.t, err)
	end(p)
}

func end(p *os.Process) {
	_ = p.Kill()
	_, _ = p.Wait()
}

// source reads the lab's directory, of all names.
func (l *lab) source(processes bool) *Source {
	l.t.Helper()
	s, err := NewSource(Options{
		Processes: processes,
		Named:     Named{Include: []string{"*"}, Directories: []string{l.dir}},
	})
	require.NoError(l.t, err)
	return s
}

// visited is what one scrape gave, by what the namespaces are called.
type visited struct {
	all    map[Namespace]*Namespace
	errors []Reading
}

func visit(t *testing.T, s *Source) visited {
	t.Helper()
	v := visited{all: map[Namespace]*Namespace{}}
	s.Visit(context.Background(), func(r Reading) {
		if r.Err != nil {
			v.errors = append(v.errors, r)
			return
		}
		require.Contains(t, string(r.Data), "XfrmInError")
		require.NotContains(t, v.all, *r.Namespace, "two namespaces have equal labels")
		v.all[*r.Namespace] = r.Namespace
	})
	return v
}
