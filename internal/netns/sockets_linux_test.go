// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// namespaceOf returns the inode number of a network namespace.
func namespaceOf(t *testing.T, path string) uint64 {
	t.Helper()
	inode, err := inodeOf(unix.AT_FDCWD, path)
	require.NoError(t, err)
	return inode
}

// namespaceOfSocket returns that of the namespace of a socket that opens, and
// closes the socket.
func namespaceOfSocket(t *testing.T, sockets Sockets) uint64 {
	t.Helper()
	fd, err := sockets.OpenSocket(unix.NETLINK_ROUTE)
	require.NoError(t, err)
	defer unix.Close(fd)
	const siocgskns = 0x894c // SIOCGSKNS in include/uapi/linux/sockios.h
	ns, err := unix.IoctlRetInt(fd, siocgskns)
	require.NoError(t, err)
	defer unix.Close(ns)
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(ns, &st))
	return st.Ino
}

// Each visitor opens its sockets in the namespace that it visits, as often as it
// wants, whatever order namespaces are visited in.
func TestSockets(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.add("b")
	pid := l.sleepInNew()
	headless := l.sleepWithoutFirstThread()
	own := namespaceOf(t, "/proc/self/ns/net")
	want := map[uint64]bool{
		own: true,
		namespaceOf(t, filepath.Join(l.dir, "a")):                           true,
		namespaceOf(t, filepath.Join(l.dir, "b")):                           true,
		namespaceOf(t, filepath.Join("/proc", strconv.Itoa(pid), "ns/net")): true,
	}
	opened := map[uint64]bool{}
	l.source(true).Visit(context.Background(), func(r Reading) {
		if r.Sockets == nil {
			return
		}
		first := namespaceOfSocket(t, r.Sockets)
		assert.NotContains(t, opened, first)
		opened[first] = true
		assert.Equal(t, first, namespaceOfSocket(t, r.Sockets))
		assert.Equal(t, r.Namespace.IsMain(), first == own)
	})
	for inode := range want {
		assert.Contains(t, opened, inode)
	}
	assert.Greater(t, len(opened), len(want), "the process without its first thread, %d, is in one more", headless)
	assert.Equal(t, own, namespaceOf(t, "/proc/thread-self/ns/net"))
}

// Below root_path the main namespace is that of the host's PID 1.
func TestSocketsOfTheHost(t *testing.T) {
	l := newLab(t)
	pid := l.sleepInNew()
	// A link stands for PID 1, whose namespace may not be entered in a container.
	dir := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join("/proc", strconv.Itoa(pid)), filepath.Join(dir, "1")))
	fake := &host{proc: dir}
	var err error
	fake.procFD, err = openat(unix.AT_FDCWD, dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(fake.procFD)
	got := namespaceOfSocket(t, hostSockets{host: fake, ownProc: "/proc"})
	assert.Equal(t, namespaceOf(t, filepath.Join("/proc", strconv.Itoa(pid), "ns/net")), got)
	assert.Equal(t, namespaceOf(t, "/proc/self/ns/net"), namespaceOf(t, "/proc/thread-self/ns/net"))
}

// A collector in the host's network need not enter it, which takes capabilities.
func TestSocketsOfTheHostThatThisProcessIsIn(t *testing.T) {
	netlinkOf := func(root string) (sockets Sockets) {
		s, err := NewSource(Options{Root: root})
		require.NoError(t, err)
		s.Visit(context.Background(), func(r Reading) { sockets = r.Sockets })
		return sockets
	}
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "proc"), 0o755))
	pid := newLab(t).sleepInNew()
	for target, want := range map[string]Sockets{
		"/proc/self": ownSockets{},
		filepath.Join("/proc", strconv.Itoa(pid)): hostSockets{},
	} {
		one := filepath.Join(root, "proc", "1")
		require.NoError(t, os.Symlink(target, one))
		assert.IsType(t, want, netlinkOf(root), target)
		require.NoError(t, os.Remove(one))
	}
}

// A process that leaves its namespace between the scan and the visit does not lend
// its new one.
func TestSocketOfAProcessThatMoved(t *testing.T) {
	l := newLab(t)
	h, err := openHost("", "/proc")
	require.NoError(t, err)
	defer h.close()
	open := func(g *group) (err error) {
		onThread("/proc", func(thread *nsThread) {
			_, err = (&groupSockets{host: h, thread: thread, group: g}).OpenSocket(unix.NETLINK_ROUTE)
		})
		return err
	}
	pid := l.sleepInNew()
	require.ErrorIs(t, open(&group{inode: 1, pids: []int{pid}}), ErrGone)
	l.kill(pid)
	require.ErrorIs(t, open(&group{inode: 1, pids: []int{pid}}), ErrGone)
}

// The kernel has no such protocol.
func TestNoProtocol(t *testing.T) {
	_, err := ownSockets{}.OpenSocket(unix.NETLINK_SMC + 1)
	require.ErrorIs(t, err, ErrNoProtocol)
}

// Without statistics the namespaces are visited for their sockets alone.
func TestSocketsWithoutStatistics(t *testing.T) {
	l := newLab(t)
	l.add("a")
	proc := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(proc, "self", "net"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(proc, "self", "net", "dev"), nil, 0o600))
	require.NoError(t, os.Symlink("/proc/thread-self", filepath.Join(proc, "thread-self")))
	for _, wanted := range []bool{true, false} {
		s, err := NewSource(Options{
			Proc: proc, WithoutStatistics: wanted,
			Named: Named{Include: []string{"*"}, Directories: []string{l.dir}},
		})
		require.NoError(t, err)
		named := 0
		s.Visit(context.Background(), func(r Reading) {
			if r.Namespace.IsMain() {
				require.ErrorIs(t, r.Err, ErrNoStatistics)
			} else {
				named++
			}
			assert.NotNil(t, r.Sockets)
		})
		assert.Equal(t, wanted, named == 1)
	}
}
