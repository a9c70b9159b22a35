// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	waitFor = 10 * time.Second
	tick    = time.Millisecond
)

func TestNamedNamespaces(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.add("b")
	s := l.source(false)
	got := visit(t, s)
	require.Empty(t, got.errors)
	require.Len(t, got.all, 3, "the main one, a and b")
	b := got.all[Namespace{Name: "b"}]
	require.NotNil(t, b)
	// Deleted, made anew under the same name, and another made.
	l.del("b")
	l.addLater("b")
	l.add("c")
	again := visit(t, s)
	require.Len(t, again.all, 4)
	assert.Same(t, got.all[Namespace{Name: "a"}], again.all[Namespace{Name: "a"}])
	assert.NotSame(t, b, again.all[Namespace{Name: "b"}])

	l.del("b")
	assert.NotContains(t, visit(t, s).all, Namespace{Name: "b"})
}

func TestWhatIsNoNamespace(t *testing.T) {
	l := newLab(t)
	l.add("good")
	path := func(name string) string { return filepath.Join(l.dir, name) }
	require.NoError(t, os.WriteFile(path("leftover"), nil, 0o600))
	require.NoError(t, os.Mkdir(path("directory"), 0o700))
	require.NoError(t, unix.Mkfifo(path("fifo"), 0o600))
	require.NoError(t, os.Symlink("/nonexistent", path("dangling")))
	require.NoError(t, os.WriteFile(path("mount-namespace"), nil, 0o600))
	require.NoError(t, onThrownAwayThread(func() error {
		return unix.Mount("/proc/thread-self/ns/uts", path("mount-namespace"), "", unix.MS_BIND, "")
	}))
	got := visit(t, l.source(false))
	assert.Contains(t, got.all, Namespace{Name: "good"})
	assert.Len(t, got.all, 2)
	var skipped []string
	for _, r := range got.errors {
		require.ErrorIs(t, r.Err, ErrNotNamespace)
		skipped = append(skipped, filepath.Base(r.File))
	}
	assert.ElementsMatch(t, []string{"leftover", "directory", "fifo", "mount-namespace"}, skipped)
}

func TestLinksToNamespaces(t *testing.T) {
	l := newLab(t)
	l.add("a")
	pid := l.sleepInNew()
	require.NoError(t, os.Symlink("a", filepath.Join(l.dir, "same")))
	require.NoError(t, os.Symlink(fmt.Sprintf("/proc/%d/ns/net", pid), filepath.Join(l.dir, "proc")))
	s := l.source(false)
	got := visit(t, s)
	assert.Empty(t, got.errors)
	assert.Len(t, got.all, 3, "the main one, a once, and the process's")
	assert.Contains(t, got.all, Namespace{Name: "a"})
	assert.Contains(t, got.all, Namespace{Name: "proc"})
	assert.Equal(t, got, visit(t, s))
}

// Of two mounts of one namespace, read once, the first goes.
func TestFirstOfTwoMountsGoes(t *testing.T) {
	l := newLab(t)
	l.add("a")
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "b"), nil, 0o600))
	require.NoError(t, unix.Mount(filepath.Join(l.dir, "a"), filepath.Join(l.dir, "b"), "", unix.MS_BIND, ""))
	s := l.source(false)
	got := visit(t, s)
	require.Len(t, got.all, 2, "the main one and a")
	l.del("a")
	assert.Equal(t, got, visit(t, s), "it keeps its name")
	l.del("b")
	assert.Len(t, visit(t, s).all, 1)
}

func TestDirectories(t *testing.T) {
	one, two := newLab(t), newLab(t)
	one.add("x")
	two.add("x")
	s, err := NewSource(Options{Named: Named{
		Include: []string{"*"}, Directories: []string{one.dir, filepath.Join(one.dir, "missing"), two.dir},
	}})
	require.NoError(t, err)
	got := visit(t, s)
	assert.Contains(t, got.all, Namespace{Name: "x"})
	assert.Contains(t, got.all, Namespace{Name: filepath.Join(two.dir, "x")})
	require.Len(t, got.errors, 1)
	assert.ErrorIs(t, got.errors[0].Err, ErrNoDirectory)
}

func TestMainNamespaceStaysBare(t *testing.T) {
	l := newLab(t)
	path := filepath.Join(l.dir, "default")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, unix.Mount("/proc/self/ns/net", path, "", unix.MS_BIND, ""))
	s := l.source(true)
	got := visit(t, s)
	assert.Contains(t, got.all, Namespace{})
	assert.NotContains(t, got.all, Namespace{Name: "default"})
	assert.Nil(t, s.registry.living(s.mainInode), "its processes do not make it another one")
}

func TestNamespacesOfProcesses(t *testing.T) {
	l := newLab(t)
	s, err := NewSource(Options{Processes: true})
	require.NoError(t, err)
	others := len(visit(t, s).all) // of other programs on this machine

	first := l.sleepInNew()
	second := l.sleepInNew()
	got := visit(t, s)
	require.Empty(t, got.errors)
	require.Len(t, got.all, others+2)
	ns := got.all[Namespace{PID: first}]
	require.NotNil(t, ns)

	// The process ends, one that came later keeps the namespace and its name.
	l.sleepWith(first)
	visit(t, s)
	l.kill(first)
	l.kill(second)
	again := visit(t, s)
	assert.Same(t, ns, again.all[Namespace{PID: first}])
	assert.NotContains(t, again.all, Namespace{PID: second})
	assert.Len(t, again.all, others+1)
}

func TestOneNamespaceFoundInTwoWays(t *testing.T) {
	l := newLab(t)
	l.add("vpn")
	pid := l.sleepIn("vpn")
	s := l.source(true)
	got := visit(t, s)
	assert.Contains(t, got.all, Namespace{Name: "vpn"})
	assert.NotContains(t, got.all, Namespace{PID: pid})

	// Without its name it is what it was.
	vpn := got.all[Namespace{Name: "vpn"}]
	l.del("vpn")
	assert.Same(t, vpn, visit(t, s).all[Namespace{Name: "vpn"}])
	l.kill(pid)
	assert.NotContains(t, visit(t, s).all, Namespace{Name: "vpn"})
}

// Without the capability the named ones are missing, all others are there.
func TestNotPermitted(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.add("b")
	pid := l.sleepInNew()
	s := l.source(true)
	got := visitWithoutCapabilities(t, s)
	assert.Contains(t, got, (&Namespace{}).String())
	assert.Contains(t, got, (&Namespace{PID: pid}).String())
	assert.Contains(t, got, "a: "+ErrNotPermitted.Error())
	assert.Contains(t, got, "b: "+ErrNotPermitted.Error())
}

// The mount point that a failed delete leaves behind has mode 0: for all but root
// it is unreadable, and no error.
func TestLeftoverWithoutPermission(t *testing.T) {
	l := newLab(t)
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "leftover"), nil, 0))
	assert.Contains(t, visitWithoutCapabilities(t, l.source(false)), "leftover: "+ErrNotNamespace.Error())
}

// A link that leads to another namespace by now is that one, and a namespace that
// took the inode number of the first is not called by its name.
func TestLinkThatLeadsElsewhere(t *testing.T) {
	l, elsewhere := newLab(t), newLab(t)
	elsewhere.add("one")
	link := filepath.Join(l.dir, "vpn")
	require.NoError(t, os.Symlink(filepath.Join(elsewhere.dir, "one"), link))
	s := l.source(true)
	first := visit(t, s).all[Namespace{Name: "vpn"}]
	require.NotNil(t, first)
	pid := elsewhere.sleepIn("one")
	elsewhere.del("one")
	elsewhere.add("one") // the link itself stays as it is
	got := visit(t, s)
	require.NotNil(t, got.all[Namespace{Name: "vpn"}])
	assert.NotSame(t, first, got.all[Namespace{Name: "vpn"}])
	assert.Contains(t, got.all, Namespace{PID: pid}, "the first, alive in a process")
}

// A name that is not valid UTF-8 is read under a valid one, and logged once.
func TestNamesThatAreNotUTF8(t *testing.T) {
	l := newLab(t)
	l.add("a\xff")
	l.add("a\xfe")
	l.add("ä")
	s := l.source(false)
	got := visit(t, s)
	assert.Len(t, got.all, 4)
	for _, name := range []string{`a\xff`, `a\xfe`, "ä"} {
		assert.Contains(t, got.all, Namespace{Name: name})
	}
	require.Len(t, got.errors, 2)
	for _, r := range got.errors {
		require.ErrorIs(t, r.Err, ErrInvalidName)
		assert.True(t, utf8.ValidString(r.File))
	}
	assert.Empty(t, visit(t, s).errors)
}

// umount -l leaves the file while a process lives on in the namespace.
func TestUnmounted(t *testing.T) {
	l := newLab(t)
	l.add("vpn")
	s := l.source(false)
	visit(t, s)
	require.NoError(t, unix.Unmount(filepath.Join(l.dir, "vpn"), unix.MNT_DETACH))
	got := visit(t, s)
	require.Len(t, got.errors, 1)
	require.ErrorIs(t, got.errors[0].Err, ErrUnmounted)
	got = visit(t, s)
	require.Len(t, got.errors, 1)
	require.ErrorIs(t, got.errors[0].Err, ErrNotNamespace)
}

// The first thread of the process has ended, another one lives on.
func TestProcessWithoutItsFirstThread(t *testing.T) {
	l := newLab(t)
	pid := l.sleepWithoutFirstThread()
	s, err := NewSource(Options{Processes: true})
	require.NoError(t, err)
	got := visit(t, s)
	require.Contains(t, got.all, Namespace{PID: pid})
	assert.Same(t, got.all[Namespace{PID: pid}], visit(t, s).all[Namespace{PID: pid}])
}

// Below root_path the kernel follows no link into proc.
func TestLinksBelowRootPath(t *testing.T) {
	l := newLab(t)
	pid := l.sleepInNew()
	require.NoError(t, os.Symlink(fmt.Sprintf("/proc/%d/ns/net", pid), filepath.Join(l.dir, "process")))
	require.NoError(t, os.Symlink("/proc/self/ns/net", filepath.Join(l.dir, "self")))
	s, err := NewSource(Options{Root: "/", Named: Named{Include: []string{"*"}, Directories: []string{l.dir}}})
	require.NoError(t, err)
	got := visit(t, s)
	assert.Contains(t, got.all, Namespace{Name: "process"})
	require.Len(t, got.errors, 1)
	require.ErrorIs(t, got.errors[0].Err, ErrOutsideRoot)
	assert.ErrorContains(t, got.errors[0].Err, `is a link that leads out of root_path, to "/proc/self/ns/net"; expected`)
}

// What is not a namespace is not opened: that can have effects.
func TestOtherFilesAreNotOpened(t *testing.T) {
	l := newLab(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	require.NoError(t, os.Symlink(fifo, filepath.Join(l.dir, "link")))
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(watch)
	_, err = unix.InotifyAddWatch(watch, fifo, unix.IN_OPEN)
	require.NoError(t, err)
	got := visit(t, l.source(false))
	require.Len(t, got.errors, 1)
	require.ErrorIs(t, got.errors[0].Err, ErrNotNamespace)
	_, err = unix.Read(watch, make([]byte, 4096))
	assert.ErrorIs(t, err, unix.EAGAIN, "it was opened")
}

// That the thread's own namespace cannot be opened does not mean that the named
// ones are gone.
func TestOwnNamespaceCannotBeOpened(t *testing.T) {
	l := newLab(t)
	l.add("a")
	proc := t.TempDir()
	require.NoError(t, os.Symlink("/proc/self", filepath.Join(proc, "self")))
	s, err := NewSource(Options{Proc: proc, Named: Named{Include: []string{"*"}, Directories: []string{l.dir}}})
	require.NoError(t, err)
	got := visit(t, s)
	require.Len(t, got.errors, 1)
	require.ErrorContains(t, got.errors[0].Err, "thread-self/ns/net, to return to this process's own network namespace")
	assert.NotErrorIs(t, got.errors[0].Err, os.ErrNotExist)
}

func TestLimit(t *testing.T) {
	l := newLab(t)
	for i := range 5 {
		l.add(fmt.Sprint("ns-", i))
	}
	s := l.source(false)
	s.opts.Limit = 4
	got := visit(t, s)
	assert.Len(t, got.all, 4, "the main one and three others")
	require.Len(t, got.errors, 2)
	for _, r := range got.errors {
		require.ErrorIs(t, r.Err, ErrLimit)
	}
	l.add("earlier-in-the-list")
	assert.Equal(t, got.all, visit(t, s).all, "those that are known stay")
	l.del("earlier-in-the-list")
	assert.Len(t, s.registry.byInode, 3, "nothing is remembered of the others")

	// One that a process is in too is left out once.
	s = l.source(true)
	s.opts.Limit = 5
	before := len(visit(t, s).errors)
	l.sleepIn("ns-4")
	assert.Len(t, visit(t, s).errors, before)
	assert.Len(t, s.registry.byInode, 4)

	// Named namespaces come before those of processes.
	pid := l.sleepInNew()
	s = l.source(true)
	s.opts.Limit = 6
	got = visit(t, s)
	assert.Len(t, got.all, 6)
	assert.NotContains(t, got.all, Namespace{PID: pid})
	s.opts.Limit = 1000
	assert.Contains(t, visit(t, s).all, Namespace{PID: pid})
}

// A user can create thousands of namespaces: unshare -Urn.
func TestPIDLimit(t *testing.T) {
	l := newLab(t)
	s, err := NewSource(Options{Processes: true})
	require.NoError(t, err)
	first := l.sleepInNew()
	before := visit(t, s)
	for range MaxByPID {
		l.sleepInNew()
	}
	got := visit(t, s)
	assert.Contains(t, got.all, Namespace{PID: first}, "those that are known stay")
	byPID := 0
	for ns := range got.all {
		if ns.PID != 0 {
			byPID++
		}
	}
	assert.Equal(t, MaxByPID, byPID)
	assert.Len(t, s.registry.byInode, len(got.all)-1)
	require.Len(t, got.errors, len(before.all)+MaxByPID-len(got.all))
	for _, r := range got.errors {
		assert.ErrorIs(t, r.Err, ErrPIDLimit)
	}
}

// Without statistics in the kernel nothing but the main namespace is looked at.
func TestNoStatisticsNoOthers(t *testing.T) {
	l := newLab(t)
	l.add("a")
	proc := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(proc, "self", "net"), 0o700))
	require.NoError(t, os.Symlink("/proc/thread-self", filepath.Join(proc, "thread-self")))
	s, err := NewSource(Options{Proc: proc, Named: Named{Include: []string{"*"}, Directories: []string{l.dir}}})
	require.NoError(t, err)
	got := visit(t, s)
	assert.Empty(t, got.all)
	require.Len(t, got.errors, 1)
	assert.ErrorIs(t, got.errors[0].Err, ErrNoStatistics)
}

// A process that entered another namespace after the scan is not read for the
// first.
func TestProcessThatMoved(t *testing.T) {
	l := newLab(t)
	one, two := l.sleepInNew(), l.sleepInNew()
	h, err := openHost("", "/proc")
	require.NoError(t, err)
	defer h.close()
	_, inode, err := h.netDirectory(one)
	require.NoError(t, err)
	path, _, err := h.readGroup(&group{inode: inode, pids: []int{two}}, &fileReader{})
	require.NoError(t, err)
	assert.Empty(t, path, "that process is not in this namespace")
	path, data, err := h.readGroup(&group{inode: inode, pids: []int{two, one}}, &fileReader{})
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("/proc/%d/net/xfrm_stat", one), path)
	assert.Contains(t, string(data), "XfrmInError")
}

// A file that has the name of a mount by now is not taken for it.
func TestMountReplacedAfterListing(t *testing.T) {
	l := newLab(t)
	l.add("a")
	h, err := openHost("", "/proc")
	require.NoError(t, err)
	defer h.close()
	mounts, problems := h.listMounts(Named{Include: []string{"*"}, Directories: []string{l.dir}}, map[string][]*mount{})
	require.Empty(t, problems)
	require.Len(t, mounts, 1)
	l.del("a")
	l.addLater("a")
	_, err = h.openNamespace(mounts[0])
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// visitWithoutCapabilities runs this test binary again as uid 65534.
func visitWithoutCapabilities(t *testing.T, s *Source) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "test")
	content, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(binary, content, 0o700))
	for dir := binary; dir != "/"; dir = filepath.Dir(dir) {
		if dir != os.TempDir() {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
		if dir == os.TempDir() {
			break
		}
	}
	require.NoError(t, os.Chmod(s.opts.Named.Directories[0], 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(s.opts.Named.Directories[0]), 0o755))
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs",
		binary)
	cmd.Env = append(os.Environ(), "XFRM_TEST_DIRECTORY="+s.opts.Named.Directories[0], "XFRM_TEST_PROC="+s.opts.Proc)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// endFirstThread ends the first thread of the process, in which TestMain runs, and
// leaves the others alive.
func endFirstThread() {
	fmt.Println("ready")
	_, _, _ = unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
}

func init() { runtime.LockOSThread() } // keeps the main goroutine, and so TestMain, on the first thread

// TestMain is what visitWithoutCapabilities runs, where it is told a directory.
func TestMain(m *testing.M) {
	if os.Getenv("XFRM_TEST_NO_FIRST_THREAD") != "" {
		endFirstThread()
	}
	dir := os.Getenv("XFRM_TEST_DIRECTORY")
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := NewSource(Options{
		Proc: os.Getenv("XFRM_TEST_PROC"), Processes: true,
		Named: Named{Include: []string{"*"}, Directories: []string{dir}},
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s.Visit(context.Background(), func(r Reading) {
		if r.Err != nil {
			fmt.Printf("%s: %v\n", filepath.Base(r.File), r.Err)
			return
		}
		fmt.Println(r.Namespace)
	})
}

// A namespace keeps living while anything is open in it, so nothing may be.
func TestNothingLeaks(t *testing.T) {
	l := newLab(t)
	const scrapes = 1000
	for i := range 5 {
		l.add(fmt.Sprintf("stays-%d", i))
	}
	l.sleepInNew()
	s := l.source(true)
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	allInOwnNamespace := func() bool {
		got := threadNamespaces(t)
		return len(got) == 1 && got[own]
	}
	// The threads that made the namespaces end a little later.
	require.Eventually(t, allInOwnNamespace, waitFor, tick)
	churned := 0
	churn := func() {
		churned++
		name := fmt.Sprintf("comes-and-goes-%d", churned)
		l.add(name)
		visit(t, s)
		l.del(name)
	}
	for range 100 { // the runtime never ends an idle thread
		churn()
	}
	before, goroutines, threads := openDescriptors(t), runtime.NumGoroutine(), threadCount(t)

	for i := range scrapes {
		if i%10 == 0 {
			churn()
		}
		s.Visit(context.Background(), func(Reading) {})
	}
	visit(t, s)

	assert.Equal(t, before, openDescriptors(t), "descriptors")
	// The last one can still be ending. Eventually would count its own.
	for end := time.Now().Add(waitFor); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
		time.Sleep(tick)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines, "goroutines")
	assert.Eventually(t, func() bool { return threadCount(t) <= threads+20 }, waitFor, tick,
		"%d threads, before %d", threadCount(t), threads)
	assert.Eventually(t, allInOwnNamespace, waitFor, tick, "a thread is in another namespace")
	assert.Len(t, s.registry.byInode, 6+len(otherNamespaces(t, s)), "forgotten are %d that have gone", churned)
}

// otherNamespaces are those of other programs on this machine.
func otherNamespaces(t *testing.T, s *Source) []Namespace {
	t.Helper()
	mine := 0
	var others []Namespace
	for key := range visit(t, s).all {
		if strings.HasPrefix(key.Name, "stays-") || key == (Namespace{}) {
			mine++
			continue
		}
		others = append(others, key)
	}
	require.Equal(t, 6, mine)
	return others[1:] // one is the sleeping process's
}

// A deleted namespace is really gone: its end of a veth pair vanishes, and with it
// the other end.
func TestDeletedNamespaceIsGone(t *testing.T) {
	l := newLab(t)
	if _, err := exec.LookPath("ip"); err != nil {
		skip(t, "needs ip of iproute2")
	}
	l.add("here")
	l.add("there")
	pid := l.sleepIn("there")
	in := func(name string, args ...string) error {
		return exec.Command("nsenter", append([]string{"--net=" + filepath.Join(l.dir, name), "ip"}, args...)...).Run()
	}
	require.NoError(t, in("here", "link", "add", "veth-here", "type", "veth", "peer", "name", "veth-there", "netns", fmt.Sprint(pid)))
	require.NoError(t, in("here", "link", "show", "veth-here"))
	s := l.source(true)
	for range 10 {
		visit(t, s)
	}
	l.kill(pid)
	l.del("there")
	assert.Eventually(t, func() bool { return in("here", "link", "show", "veth-here") != nil }, waitFor, 10*time.Millisecond,
		"something keeps the namespace alive")
}

func threadNamespaces(t *testing.T) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, task := range tasks {
		if ns, err := os.Readlink(filepath.Join("/proc/self/task", task.Name(), "ns/net")); err == nil {
			got[ns] = true
		}
	}
	return got
}

func threadCount(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(tasks)
}

func TestHundredsOfNamespaces(t *testing.T) {
	l := newLab(t)
	const n = 300
	for i := range n {
		l.add(fmt.Sprintf("ns-%03d", i))
	}
	assert.Len(t, visit(t, l.source(false)).all, n+1)

	t.Run("ended in the middle", func(t *testing.T) {
		s := l.source(false)
		visit(t, s)
		ctx, cancel := context.WithCancel(context.Background())
		read, unread := 0, 0
		s.Visit(ctx, func(r Reading) {
			if r.Err == nil {
				if read++; read == 100 {
					cancel()
				}
				return
			}
			require.ErrorIs(t, r.Err, ErrUnread)
			require.NotNil(t, r.Namespace, "it is known whose points are missing")
			unread++
		})
		assert.Equal(t, n+1, read+unread, "each is accounted for")
		assert.Equal(t, 100, read)
		assert.Len(t, visit(t, s).all, n+1, "the next scrape is whole")
	})

	t.Run("ended before the processes are scanned", func(t *testing.T) {
		s := l.source(true)
		known := len(visit(t, s).all)
		ctx, cancel := context.WithCancel(context.Background())
		unread := map[*Namespace]bool{}
		s.Visit(ctx, func(r Reading) {
			cancel()
			if r.Err != nil {
				require.ErrorIs(t, r.Err, ErrUnread)
				require.False(t, unread[r.Namespace], "each once")
				unread[r.Namespace] = true
			}
		})
		assert.Len(t, unread, known-1, "all but the main one")
		assert.Len(t, visit(t, s).all, known)
	})

	t.Run("deleted while they are read", func(t *testing.T) {
		s := l.source(false)
		visit(t, s)
		read := 0
		s.Visit(context.Background(), func(r Reading) {
			require.NoError(t, r.Err)
			if read++; read == 2 { // all are listed, and one of them is read
				for i := range n {
					l.del(fmt.Sprintf("ns-%03d", i))
				}
			}
		})
		assert.Equal(t, 2, read)
		assert.Len(t, s.registry.byInode, 1, "an inode number of the others can be used again at once")
		assert.Len(t, visit(t, s).all, 1)
	})
}

// A namespace with two names and a process that is not read counts once.
func TestUnreadOnce(t *testing.T) {
	l := newLab(t)
	l.add("0")
	l.add("a")
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "b"), nil, 0o600))
	require.NoError(t, unix.Mount(filepath.Join(l.dir, "a"), filepath.Join(l.dir, "b"), "", unix.MS_BIND, ""))
	l.sleepIn("a")
	s := l.source(true)
	a := visit(t, s).all[Namespace{Name: "a"}]
	require.NotNil(t, a)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	unread := 0
	s.Visit(ctx, func(r Reading) {
		if r.Err == nil && r.Namespace.Name == "0" {
			cancel()
		}
		if r.Namespace == a {
			require.ErrorIs(t, r.Err, ErrUnread)
			unread++
		}
	})
	assert.Equal(t, 1, unread)
}

// The numbers of two namespaces can agree in all but one of these.
func TestIdentityOfAMount(t *testing.T) {
	st := unix.Stat_t{Dev: 4, Ino: 7, Ctim: unix.Timespec{Sec: 1, Nsec: 2}}
	id := mountIDOf(&st)
	for name, change := range map[string]func(*unix.Stat_t){
		"device":      func(st *unix.Stat_t) { st.Dev++ },
		"inode":       func(st *unix.Stat_t) { st.Ino++ },
		"seconds":     func(st *unix.Stat_t) { st.Ctim.Sec++ },
		"nanoseconds": func(st *unix.Stat_t) { st.Ctim.Nsec++ },
	} {
		other := st
		change(&other)
		assert.NotEqual(t, id, mountIDOf(&other), name)
	}
}

func TestNeverOnTheMainThread(t *testing.T) {
	for range 50 {
		done := make(chan int)
		go onSpareThread(func() bool {
			done <- unix.Gettid()
			return true
		})
		assert.NotEqual(t, os.Getpid(), <-done)
	}
}

// A thread that cannot go home is thrown away.
func TestThreadThatCannotReturn(t *testing.T) {
	done := make(chan int)
	go onSpareThread(func() bool {
		done <- unix.Gettid()
		return false
	})
	tid := <-done
	assert.Eventually(t, func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
		return errors.Is(err, os.ErrNotExist)
	}, waitFor, tick)
}
