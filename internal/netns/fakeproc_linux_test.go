// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const testContainer = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// fakeProc is a directory that stands for /proc. The PIDs, starts and cgroups of
// its processes are chosen freely.
type fakeProc struct {
	t   *testing.T
	dir string
}

func newFakeProc(t *testing.T) *fakeProc {
	t.Helper()
	p := &fakeProc{t: t, dir: t.TempDir()}
	p.namespace("self/net")
	return p
}

// namespace makes a directory that shows a namespace.
func (p *fakeProc) namespace(path string) {
	p.t.Helper()
	dir := filepath.Join(p.dir, path)
	require.NoError(p.t, os.MkdirAll(dir, 0o700))
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, "dev"), nil, 0o600))
	require.NoError(p.t, os.WriteFile(filepath.Join(dir, "xfrm_stat"), []byte("XfrmInError\t1\n"), 0o600))
}

// process makes a process in a namespace of its own.
func (p *fakeProc) process(pid, start int, cgroup string) {
	p.t.Helper()
	p.namespace(fmt.Sprintf("%d/net", pid))
	stat := fmt.Sprintf("%d (x) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 1\n", pid, start)
	require.NoError(p.t, os.WriteFile(p.path(pid, "stat"), []byte(stat), 0o600))
	require.NoError(p.t, os.WriteFile(p.path(pid, "cgroup"), []byte("0::"+cgroup+"\n"), 0o600))
}

func (p *fakeProc) path(pid int, name string) string {
	return filepath.Join(p.dir, fmt.Sprint(pid), name)
}

func (p *fakeProc) source() *Source {
	p.t.Helper()
	s, err := NewSource(Options{Proc: p.dir, Processes: true})
	require.NoError(p.t, err)
	return s
}

// Which namespaces are read, and what they are called, where not all can be.
func TestOrderOfProcesses(t *testing.T) {
	const inContainer = "/docker/" + testContainer
	container := Namespace{ContainerID: testContainer}

	t.Run("the oldest, whatever its PID", func(t *testing.T) {
		p := newFakeProc(t)
		p.process(10, 900, "/")
		p.process(20, 500, "/")
		s := p.source()
		s.opts.Limit = 2
		got := visit(t, s)
		assert.ElementsMatch(t, []Namespace{{}, {PID: 20}}, keys(got))
		require.Len(t, got.errors, 1)
		assert.ErrorIs(t, got.errors[0].Err, ErrLimit)
	})

	t.Run("the oldest has the container's name alone", func(t *testing.T) {
		p := newFakeProc(t)
		p.process(10, 900, inContainer)
		p.process(20, 500, inContainer)
		assert.ElementsMatch(t, []Namespace{{}, container, {ContainerID: testContainer, PID: 10}}, keys(visit(t, p.source())))
	})

	t.Run("known before new", func(t *testing.T) {
		p := newFakeProc(t)
		p.process(10, 900, "/")
		s := p.source()
		s.opts.Limit = 2
		first := visit(t, s)
		assert.Contains(t, first.all, Namespace{PID: 10})
		p.process(20, 500, "/")
		again := visit(t, s)
		assert.Equal(t, first.all, again.all)
		require.Len(t, again.errors, 1)
		assert.ErrorIs(t, again.errors[0].Err, ErrLimit)
	})

	t.Run("a lasting name before a PID", func(t *testing.T) {
		p := newFakeProc(t)
		p.process(5, 100, "/")
		s := p.source()
		visit(t, s)
		p.process(6, 200, inContainer)
		s.opts.Limit = 2
		assert.ElementsMatch(t, []Namespace{{}, container}, keys(visit(t, s)), "new before known by its PID")
		s.opts.Limit = 3
		visit(t, s)
		s.opts.Limit = 2
		assert.ElementsMatch(t, []Namespace{{}, container}, keys(visit(t, s)), "both known")
	})

	t.Run("a container's second namespace last", func(t *testing.T) {
		p := newFakeProc(t)
		p.process(4, 900, "/")
		p.process(5, 100, inContainer)
		s := p.source()
		s.opts.Limit = 3
		first := visit(t, s)
		p.process(6, 200, inContainer)
		assert.Equal(t, first.all, visit(t, s).all)
	})
}

func keys(v visited) []Namespace {
	var all []Namespace
	for ns := range v.all {
		all = append(all, ns)
	}
	return all
}

// A process whose file cannot be read is there, and its namespace fails.
func TestProcessThatCannotBeRead(t *testing.T) {
	p := newFakeProc(t)
	p.process(7, 100, "/")
	s := p.source()
	known := visit(t, s).all[Namespace{PID: 7}]
	require.NotNil(t, known)
	file := p.path(7, "net/xfrm_stat")
	require.NoError(t, os.Truncate(file, 0))
	got := visit(t, s)
	require.Len(t, got.errors, 1)
	require.ErrorIs(t, got.errors[0].Err, errEmpty)
	require.ErrorContains(t, got.errors[0].Err, file)
	assert.Same(t, known, got.errors[0].Namespace)

	require.NoError(t, os.Remove(file))
	got = visit(t, s)
	require.Len(t, got.errors, 1)
	assert.ErrorIs(t, got.errors[0].Err, ErrNoStatistics)
}

// Where the start of a process cannot be read or understood, its namespace arrives.
func TestProcessWithoutAKnownStart(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"unreadable":   func(path string) error { return os.Truncate(path, 0) },
		"another form": func(path string) error { return os.WriteFile(path, []byte("7 sleep\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeProc(t)
			p.process(7, 100, "/")
			require.NoError(t, change(p.path(7, "stat")))
			s := p.source()
			known := visit(t, s).all[Namespace{PID: 7}]
			require.NotNil(t, known)
			assert.Same(t, known, visit(t, s).all[Namespace{PID: 7}])
		})
	}
}

// A process that moves to another namespace while it is read is read for neither.
func TestProcessThatMovesWhileItIsRead(t *testing.T) {
	p := newFakeProc(t)
	// The first process gives an error, which must not be lost or returned without
	// one if the second moves.
	p.process(6, 100, "/")
	require.NoError(t, os.RemoveAll(p.path(6, "net")))
	require.NoError(t, os.Symlink(filepath.Join(p.dir, "unreadable"), p.path(6, "net")))
	p.namespace("one")
	p.namespace("two")
	for name, content := range map[string]string{"one": "1", "two": "2"} {
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, name, "xfrm_stat"), []byte(content), 0o600))
	}
	p.namespace("unreadable")
	require.NoError(t, os.Truncate(filepath.Join(p.dir, "unreadable/xfrm_stat"), 0))
	require.NoError(t, os.Remove(filepath.Join(p.dir, "unreadable/dev")))
	require.NoError(t, os.Link(filepath.Join(p.dir, "one/dev"), filepath.Join(p.dir, "unreadable/dev")))
	p.process(7, 100, "/")
	require.NoError(t, os.RemoveAll(p.path(7, "net")))
	move := func(to string) {
		next := filepath.Join(p.dir, "next")
		require.NoError(t, os.Symlink(filepath.Join(p.dir, to), next))
		require.NoError(t, os.Rename(next, p.path(7, "net")))
	}
	h, err := openHost("", p.dir)
	require.NoError(t, err)
	defer h.close()
	inode, err := inodeOf(unix.AT_FDCWD, filepath.Join(p.dir, "one/dev"))
	require.NoError(t, err)
	var file fileReader
	for i := range 4000 {
		from, to := "one", "two"
		if i%2 == 1 {
			from, to = to, from
		}
		move(from)
		var reading atomic.Bool
		moved := make(chan struct{})
		go func() {
			defer close(moved)
			for !reading.Load() {
				runtime.Gosched()
			}
			move(to)
		}()
		reading.Store(true)
		path, data, err := h.readGroup(&group{inode: inode, pids: []int{6, 7}}, &file)
		if err == nil {
			assert.Equal(t, "1", string(data), path)
		} else {
			require.ErrorContains(t, err, "/6/net/xfrm_stat")
		}
		<-moved
		if t.Failed() {
			break
		}
	}
}

// What ended is told apart from what failed.
func TestIsGone(t *testing.T) {
	for _, err := range []error{unix.ENOENT, unix.ESRCH, unix.ENXIO} {
		assert.True(t, isGone(fmt.Errorf("read: %w", err)), err)
	}
	for _, err := range []error{nil, unix.EACCES, unix.EIO, unix.EMFILE} {
		assert.False(t, isGone(err), err)
	}
}

// A scrape that ends early reports each namespace that it knows once.
func TestProcessesUnread(t *testing.T) {
	p := newFakeProc(t)
	for pid := 10; pid < 15; pid++ {
		p.process(pid, pid, "/")
	}
	s := p.source()
	// ended scrapes until the namespace with this PID was read.
	ended := func(pid int) (read []Namespace, unread []*Namespace) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s.Visit(ctx, func(r Reading) {
			if r.Err != nil {
				require.ErrorIs(t, r.Err, ErrUnread)
				unread = append(unread, r.Namespace)
				return
			}
			read = append(read, *r.Namespace)
			if r.Namespace.PID == pid {
				cancel()
			}
		})
		return read, unread
	}
	_, unread := ended(0)
	assert.Equal(t, []*Namespace{nil}, unread, "it is not known how many there are")
	require.Len(t, visit(t, s).all, 6)
	read, unread := ended(11)
	assert.Equal(t, []Namespace{{}, {PID: 10}, {PID: 11}}, read)
	require.Len(t, unread, 3)
	assert.Equal(t, []Namespace{{PID: 12}, {PID: 13}, {PID: 14}}, []Namespace{*unread[0], *unread[1], *unread[2]})
}

// outOfDescriptors makes every open fail until the returned function is called.
func outOfDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 3
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	return func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }
}

// What cannot be listed for once is not forgotten: it would be taken for another
// namespace afterwards, and its series would begin anew.
func TestFailedListingForgetsNothing(t *testing.T) {
	fails := func(t *testing.T, s *Source) {
		t.Helper()
		before := visit(t, s)
		require.Len(t, before.all, 2)
		restore := outOfDescriptors(t)
		restore() // it works
		failed := 0
		s.Visit(context.Background(), func(r Reading) {
			switch {
			case r.Namespace != nil && r.Namespace.IsMain():
				restore = outOfDescriptors(t)
			case r.Err != nil:
				restore()
				require.ErrorIs(t, r.Err, unix.EMFILE)
				failed++
			}
		})
		restore()
		require.Equal(t, 1, failed)
		after := visit(t, s)
		for ns, known := range before.all {
			assert.Same(t, known, after.all[ns], ns.String())
		}
	}
	t.Run("processes", func(t *testing.T) {
		p := newFakeProc(t)
		p.process(7, 100, "/")
		fails(t, p.source())
	})
	t.Run("directory", func(t *testing.T) {
		l := newLab(t)
		l.add("a")
		fails(t, l.source(false))
	})
}

// Where proc hides processes, their namespaces are missing, and that is said.
func TestHidden(t *testing.T) {
	l := newLab(t)
	l.add("a")
	for _, hidepid := range []string{"1", "2"} {
		t.Run(hidepid, func(t *testing.T) {
			proc := filepath.Join(t.TempDir(), "proc")
			require.NoError(t, os.Mkdir(proc, 0o700))
			if err := unix.Mount("proc", proc, "proc", 0, "hidepid="+hidepid); err != nil {
				skip(t, "needs to mount proc: "+err.Error())
			}
			defer func() { require.NoError(t, unix.Unmount(proc, unix.MNT_DETACH)) }()
			s := l.source(true)
			s.opts.Proc = proc
			got := visitWithoutCapabilities(t, s)
			assert.Contains(t, got, "proc: "+ErrHidden.Error()+": it is mounted with hidepid")
			assert.Equal(t, 1, strings.Count(got, ErrHidden.Error()))
			assert.NotContains(t, visitWithoutCapabilities(t, l.source(true)), ErrHidden.Error())
		})
	}
}

// The error names the namespace.
func TestNamedNamespaceThatCannotBeRead(t *testing.T) {
	l := newLab(t)
	l.add("vpn")
	p := newFakeProc(t)
	p.namespace("thread-self/net")
	require.NoError(t, os.Truncate(filepath.Join(p.dir, "thread-self/net/xfrm_stat"), 0))
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "thread-self/ns"), 0o700))
	require.NoError(t, os.Symlink("/proc/self/ns/net", filepath.Join(p.dir, "thread-self/ns/net")))
	s := l.source(false)
	s.opts.Proc = p.dir
	got := visit(t, s)
	require.Len(t, got.errors, 1)
	require.ErrorIs(t, got.errors[0].Err, errEmpty)
	assert.ErrorContains(t, got.errors[0].Err, filepath.Join(l.dir, "vpn"))
}

func TestValidUTF8(t *testing.T) {
	for text, want := range map[string]string{"a": "a", "a\xffb": `a\xffb`, "\uFFFD\xfe": "\uFFFD" + `\xfe`, "\xe4\xb8": `\xe4\xb8`} {
		assert.Equal(t, want, ValidUTF8(text))
	}
}

// Namespaces that a container makes inside of itself need the PID, too.
func TestPIDLimitInsideAContainer(t *testing.T) {
	p := newFakeProc(t)
	for i := range MaxByPID + 50 {
		p.process(10+i, 100+i, "/docker/"+testContainer)
	}
	s := p.source()
	first := visit(t, s)
	byPID, byOwner := 0, 0
	for ns := range first.all {
		switch {
		case ns.PID != 0:
			byPID++
		case ns.ContainerID != "":
			byOwner++
		}
	}
	assert.Equal(t, MaxByPID, byPID)
	assert.Equal(t, 1, byOwner)
	assert.Len(t, first.errors, 49)
	assert.Equal(t, first.all, visit(t, s).all, "those that are known stay")
}
