package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	waitFor = 10 * time.Second
	tick    = time.Millisecond
	// coarse is more than the tick in which the kernel takes a mount's time.
	coarse = 20 * time.Millisecond
)

func TestNamedNamespaces(t *testing.T) {
	l := newLab(t)
	l.add("a")
	before := time.Now()
	l.add("b")
	after := time.Now()
	s := l.source(false)
	got := visit(t, s)
	require.Empty(t, got.errors)
	require.Len(t, got.all, 3, "the main one, a and b")
	b := got.all[label{name: "b"}]
	require.NotNil(t, b)
	// The file system's clock is that of the last tick.
	assert.WithinRange(t, b.Start, before.Add(-coarse), after)

	// Deleted, made anew under the same name, and another made.
	l.del("b")
	time.Sleep(coarse)
	l.add("b")
	l.add("c")
	again := visit(t, s)
	require.Len(t, again.all, 4)
	assert.Same(t, got.all[label{name: "a"}], again.all[label{name: "a"}])
	assert.True(t, again.all[label{name: "b"}].Start.After(b.Start), "a new start")

	l.del("b")
	assert.NotContains(t, visit(t, s).all, label{name: "b"})
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
	assert.Contains(t, got.all, label{name: "good"})
	assert.Len(t, got.all, 2)
	var skipped []string
	for _, r := range got.errors {
		require.ErrorIs(t, r.Err, ErrNoNamespace)
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
	assert.Contains(t, got.all, label{name: "a"})
	assert.Contains(t, got.all, label{name: "proc"})
	assert.Equal(t, got, visit(t, s))
}

// Of two mounts of one namespace the first goes after it was listed.
func TestFirstOfTwoMountsGoes(t *testing.T) {
	l := newLab(t)
	l.add("a")
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "b"), nil, 0o600))
	require.NoError(t, unix.Mount(filepath.Join(l.dir, "a"), filepath.Join(l.dir, "b"), "", unix.MS_BIND, ""))
	s := l.source(false)
	h, err := openHost("", "/proc")
	require.NoError(t, err)
	defer h.close()
	binds, problems := s.listNamed(h)
	require.Empty(t, problems)
	require.Len(t, binds, 1, "one namespace")
	l.del("a")
	require.NoError(t, visitAll(t.Context(), h, &s.tourFile, binds, func(b *bind) {
		require.NoError(t, b.err)
		assert.Equal(t, "b", b.name)
		assert.Contains(t, string(b.data), "XfrmInError")
	}))
	l.del("b")
	require.NoError(t, visitAll(t.Context(), h, &s.tourFile, binds, func(b *bind) {
		assert.ErrorIs(t, b.err, fs.ErrNotExist)
	}))
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
	assert.Contains(t, got.all, label{name: "x"})
	assert.Contains(t, got.all, label{name: filepath.Join(two.dir, "x")})
	require.Len(t, got.errors, 1)
	assert.ErrorIs(t, got.errors[0].Err, ErrNoDirectory)
}

func TestMainNamespaceStaysBare(t *testing.T) {
	l := newLab(t)
	path := filepath.Join(l.dir, "default")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, unix.Mount("/proc/self/ns/net", path, "", unix.MS_BIND, ""))
	got := visit(t, l.source(true))
	assert.Contains(t, got.all, label{})
	assert.NotContains(t, got.all, label{name: "default"})
}

func TestNamespacesOfProcesses(t *testing.T) {
	l := newLab(t)
	s, err := NewSource(Options{Processes: true})
	require.NoError(t, err)
	others := len(visit(t, s).all) // of other programs on this machine

	before := time.Now()
	first := l.sleepInNew()
	second := l.sleepInNew()
	got := visit(t, s)
	require.Empty(t, got.errors)
	require.Len(t, got.all, others+2)
	ns := got.all[label{pid: first}]
	require.NotNil(t, ns)
	assert.WithinDuration(t, before, ns.Start, 2*time.Second)

	// The process ends, one that came later keeps the namespace and its name.
	l.sleepWith(first)
	visit(t, s)
	l.kill(first)
	l.kill(second)
	again := visit(t, s)
	assert.Same(t, ns, again.all[label{pid: first}])
	assert.NotContains(t, again.all, label{pid: second})
	assert.Len(t, again.all, others+1)
}

func TestOneNamespaceFoundInTwoWays(t *testing.T) {
	l := newLab(t)
	l.add("vpn")
	pid := l.sleepIn("vpn")
	s := l.source(true)
	got := visit(t, s)
	assert.Contains(t, got.all, label{name: "vpn"})
	assert.NotContains(t, got.all, label{pid: pid})

	// Without its name it is what it was.
	vpn := got.all[label{name: "vpn"}]
	l.del("vpn")
	assert.Same(t, vpn, visit(t, s).all[label{name: "vpn"}])
	l.kill(pid)
	assert.NotContains(t, visit(t, s).all, label{name: "vpn"})
}

// Without the capability the named ones are missing, all others are there.
func TestNotPermitted(t *testing.T) {
	l := newLab(t)
	l.add("a")
	l.add("b")
	pid := l.sleepInNew()
	s := l.source(true)
	got := visitWithoutCapabilities(t, s)
	assert.Contains(t, got, label{}.String())
	assert.Contains(t, got, label{pid: pid}.String())
	assert.Contains(t, got, "a: "+ErrNotPermitted.Error())
	assert.Contains(t, got, "b: "+ErrNotPermitted.Error())
}

func (l label) String() string {
	return fmt.Sprintf("%q %q %q %d", l.name, l.podUID, l.containerID, l.pid)
}

// The mount point that a failed delete leaves behind has mode 0: for all but root
// it is unreadable, and no error.
func TestLeftoverWithoutPermission(t *testing.T) {
	l := newLab(t)
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "leftover"), nil, 0))
	assert.Contains(t, visitWithoutCapabilities(t, l.source(false)), "leftover: "+ErrNoNamespace.Error())
}

// A link that leads to another namespace by now is that one, and a namespace that
// took the inode number of the first is not called by its name.
func TestLinkThatLeadsElsewhere(t *testing.T) {
	l, elsewhere := newLab(t), newLab(t)
	elsewhere.add("one")
	link := filepath.Join(l.dir, "vpn")
	require.NoError(t, os.Symlink(filepath.Join(elsewhere.dir, "one"), link))
	s := l.source(true)
	first := visit(t, s).all[label{name: "vpn"}]
	require.NotNil(t, first)
	pid := elsewhere.sleepIn("one")
	elsewhere.del("one")
	elsewhere.add("one") // the link itself stays as it is
	got := visit(t, s)
	require.NotNil(t, got.all[label{name: "vpn"}])
	assert.NotSame(t, first, got.all[label{name: "vpn"}])
	assert.Contains(t, got.all, label{pid: pid}, "the first, alive in a process")
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
	cmd.Env = append(os.Environ(), "XFRM_TEST_DIRECTORY="+s.opts.Named.Directories[0])
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// TestMain is what visitWithoutCapabilities runs, where it is told a directory.
func TestMain(m *testing.M) {
	dir := os.Getenv("XFRM_TEST_DIRECTORY")
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := NewSource(Options{Processes: true, Named: Named{Include: []string{"*"}, Directories: []string{dir}}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s.Visit(context.Background(), func(r Reading) {
		if r.Err != nil {
			fmt.Printf("%s: %v\n", filepath.Base(r.File), r.Err)
			return
		}
		fmt.Println((&record{ns: *r.Namespace}).label())
	})
}

// A namespace keeps living while anything is open in it, so nothing may be.
func TestNothingLeaks(t *testing.T) {
	l := newLab(t)
	const scrapes = 10_000
	for i := range 5 {
		l.add(fmt.Sprintf("stays-%d", i))
	}
	l.sleepInNew()
	s := l.source(true)
	home, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	allAtHome := func() bool {
		got := threadNamespaces(t)
		return len(got) == 1 && got[home]
	}
	// The lab's own threads are thrown away abroad, and end a little later.
	require.Eventually(t, allAtHome, waitFor, tick)
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
	assert.Eventually(t, allAtHome, waitFor, tick, "a thread is not at home")
	assert.Len(t, s.memory.byFile, 6+len(otherNamespaces(t, s)), "forgotten are %d that have gone", churned)
}

// otherNamespaces are those of other programs on this machine.
func otherNamespaces(t *testing.T, s *Source) []label {
	t.Helper()
	mine := 0
	var others []label
	for key := range visit(t, s).all {
		if strings.HasPrefix(key.name, "stays-") || key == (label{}) {
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
		assert.LessOrEqual(t, read, 100+3*batchSize, "what had been read ahead")
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
		deleted, read := false, 0
		s.Visit(context.Background(), func(r Reading) {
			require.NoError(t, r.Err)
			read++
			// The first batch has been read, the others have been listed.
			if r.Namespace.Name != "" && !deleted {
				deleted = true
				for i := range n {
					l.del(fmt.Sprintf("ns-%03d", i))
				}
			}
		})
		assert.LessOrEqual(t, read, 3*batchSize+1, "what had been read ahead")
		assert.Len(t, visit(t, s).all, 1)
	})
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
