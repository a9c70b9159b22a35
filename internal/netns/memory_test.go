package netns

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// world is what processes there are, for the memory to ask.
type world map[int]struct {
	start       time.Duration
	pod, contID string
	directory   uint64
}

func (w world) start(pid int) (time.Duration, bool) {
	p, ok := w[pid]
	return p.start, ok
}

func (w world) directory(pid int) uint64 { return w[pid].directory }

func (w world) cgroup(pid int) (podUID, containerID string) { return w[pid].pod, w[pid].contID }

var boot = time.Unix(1_000_000, 0)

// The inode number of a process's directory proves that it is the same process;
// another number proves nothing.
func TestProcessDirectory(t *testing.T) {
	w := world{10: {start: 5, directory: 100}}
	m := newMemory()
	first := scrape(m, 10, w, nil, map[uint64][]int{50: {10}})[50]
	for _, directory := range []uint64{100, 100, 200, 200, 0} {
		w[10] = world{10: {start: 5, directory: directory}}[10]
		require.Same(t, first, scrape(m, 20, w, nil, map[uint64][]int{50: {10}})[50], directory)
	}
	w[10] = world{10: {start: 25, directory: 300}}[10]
	assert.NotSame(t, first, scrape(m, 30, w, nil, map[uint64][]int{50: {10}})[50])
}

// bound is a bind mount of a namespace whose xfrm_stat has the inode number file.
type bound struct {
	name string
	id   bindID
	file uint64
}

// scrape goes through a whole scrape as Source does, and returns the namespaces
// by the inode number of their file.
func scrape(m *memory, now time.Duration, w world, binds []bound, living map[uint64][]int) map[uint64]*Namespace {
	groups := map[uint64]*group{}
	for file, pids := range living {
		groups[file] = &group{file: file, pids: pids, scanned: now}
	}
	m.begin()
	for _, b := range binds {
		m.markBind(b.id)
	}
	for _, g := range groups {
		m.markGroup(g, w)
	}
	m.sweep()
	got := map[uint64]*Namespace{}
	for _, b := range binds {
		got[b.file] = &m.named(b.id, b.file, groups[b.file], b.name, "/run/netns/"+b.name, w).ns
		delete(groups, b.file)
	}
	for file := uint64(0); file < 100; file++ { // in order
		if g := groups[file]; g != nil {
			if r, ok := m.ofProcesses(g, boot, w); ok {
				got[file] = &r.ns
			}
		}
	}
	return got
}

func TestNamedNamespace(t *testing.T) {
	m := newMemory()
	created := time.Unix(2_000_000, 5)
	vpn := bound{"vpn", bindID{7, created.UnixNano()}, 50}
	first := scrape(m, 0, nil, []bound{vpn}, nil)[50]
	assert.Equal(t, Namespace{Name: "vpn", Start: created}, *first)
	assert.Same(t, first, scrape(m, 0, nil, []bound{vpn}, nil)[50])

	// Deleted and made anew under the same name, with all inode numbers used again.
	again := bound{"vpn", bindID{7, created.Add(time.Hour).UnixNano()}, 50}
	second := scrape(m, 0, nil, []bound{again}, nil)[50]
	assert.NotSame(t, first, second)
	assert.Equal(t, Namespace{Name: "vpn", Start: created.Add(time.Hour)}, *second)
}

func TestRenamedNamespaceKeepsItsName(t *testing.T) {
	m := newMemory()
	id := bindID{7, 1}
	first := scrape(m, 0, nil, []bound{{"b", id, 50}}, nil)[50]
	assert.Same(t, first, scrape(m, 0, nil, []bound{{"a", id, 50}}, nil)[50], "the same mount, listed first by another name")
	assert.Equal(t, "b", first.Name)
}

func TestSameNameInTwoDirectories(t *testing.T) {
	m := newMemory()
	got := scrape(m, 0, nil, []bound{{"x", bindID{7, 1}, 50}, {"x", bindID{8, 1}, 51}}, nil)
	assert.Equal(t, "x", got[50].Name)
	assert.Equal(t, "/run/netns/x", got[51].Name)
}

func TestNamespaceOfProcesses(t *testing.T) {
	const second = time.Second
	w := world{10: {start: 5 * second}, 11: {start: 3 * second}, 12: {start: 8 * second}}
	m := newMemory()
	first := scrape(m, 10*second, w, nil, map[uint64][]int{50: {10, 11}})[50]
	assert.Equal(t, Namespace{PID: 11, Start: boot.Add(3 * second)}, *first)

	// The oldest process ends, another joins: it stays what it was.
	delete(w, 11)
	require.Same(t, first, scrape(m, 20*second, w, nil, map[uint64][]int{50: {10, 12}})[50])
	delete(w, 10)
	require.Same(t, first, scrape(m, 30*second, w, nil, map[uint64][]int{50: {12}})[50])

	// All processes have been replaced by others: the inode number is used again.
	w[13] = world{13: {start: 35 * second}}[13]
	reused := scrape(m, 40*second, w, nil, map[uint64][]int{50: {13}})[50]
	assert.NotSame(t, first, reused)
	assert.Equal(t, Namespace{PID: 13, Start: boot.Add(35 * second)}, *reused)

	// The PID is used again too: the start time tells.
	w[13] = world{13: {start: 45 * second}}[13]
	again := scrape(m, 50*second, w, nil, map[uint64][]int{50: {13}})[50]
	assert.NotSame(t, reused, again)
	assert.Equal(t, boot.Add(45*second), again.Start)

	// It has gone between listing and reading.
	delete(w, 13)
	assert.Empty(t, scrape(m, 60*second, w, nil, map[uint64][]int{50: {13}}))
}

func TestPodsAndContainers(t *testing.T) {
	w := world{
		10: {start: 1, pod: "P", contID: "C"}, 11: {start: 2, pod: "P", contID: "C"},
		12: {start: 3, contID: "D"}, 13: {start: 4, contID: "D"},
	}
	m := newMemory()
	got := scrape(m, 10, w, nil, map[uint64][]int{50: {10}, 51: {11}, 52: {12}, 53: {13}})
	assert.Equal(t, label{podUID: "P"}, (&record{ns: *got[50]}).label())
	assert.Equal(t, label{podUID: "P", pid: 11}, (&record{ns: *got[51]}).label(), "a second one of a pod")
	assert.Equal(t, label{containerID: "D"}, (&record{ns: *got[52]}).label())
	assert.Equal(t, label{containerID: "D", pid: 13}, (&record{ns: *got[53]}).label(), "a second one of a container")
}

func TestFoundInTwoWays(t *testing.T) {
	w := world{10: {start: 1, contID: "C"}}
	id := bindID{7, boot.Add(5).UnixNano()}
	m := newMemory()
	both := scrape(m, 10, w, []bound{{"vpn", id, 50}}, map[uint64][]int{50: {10}})
	require.Len(t, both, 1)
	assert.Equal(t, Namespace{Name: "vpn", ContainerID: "C", Start: boot.Add(5)}, *both[50])

	// Its name is removed, a process keeps it alive; then the name comes back.
	assert.Same(t, both[50], scrape(m, 20, w, nil, map[uint64][]int{50: {10}})[50])
	assert.Same(t, both[50], scrape(m, 30, w, []bound{{"other", bindID{7, 99}, 50}}, map[uint64][]int{50: {10}})[50])
	assert.Same(t, both[50], scrape(m, 40, w, []bound{{"other", bindID{7, 99}, 50}}, nil)[50], "known by its new mount")
}

// Between the listing of the mounts and the scan of the processes a namespace
// goes, and another's takes its inode number.
func TestMountThatGoesDuringTheScan(t *testing.T) {
	w := world{}
	m := newMemory()
	id := bindID{7, 1}
	first := scrape(m, 10, w, []bound{{"a", id, 50}}, nil)[50]
	w[10] = world{10: {start: 15, contID: "C"}}[10]
	g := &group{file: 50, pids: []int{10}, scanned: 20}
	m.begin()
	m.markBind(id)
	m.markGroup(g, w)
	m.sweep()
	m.gone(id)
	r, ok := m.ofProcesses(g, boot, w)
	require.True(t, ok)
	assert.NotSame(t, first, &r.ns)
	assert.Equal(t, Namespace{ContainerID: "C", Start: boot.Add(15)}, r.ns)
}

// Of two links to one namespace the first dangles: the other still proves it.
func TestOneOfTwoLinksGone(t *testing.T) {
	m := newMemory()
	one, two := bindID{7, 1}, bindID{8, 2}
	first := scrape(m, 10, nil, []bound{{"c1", one, 50}, {"c2", two, 50}}, nil)[50]
	m.begin()
	m.markBind(one)
	m.markBind(two)
	m.sweep()
	m.gone(one)
	assert.Same(t, first, &m.named(two, 50, nil, "c2", "/run/netns/c2", nil).ns)
	assert.Equal(t, "c1", first.Name)
}

// A process joins a named namespace: that it was read proves it.
func TestProcessJoinsNamedNamespace(t *testing.T) {
	w := world{10: {start: 15}}
	m := newMemory()
	bind := bound{"a", bindID{7, 1}, 50}
	first := scrape(m, 10, w, []bound{bind}, nil)[50]
	require.Same(t, first, scrape(m, 20, w, []bound{bind}, map[uint64][]int{50: {10}})[50])
	assert.Same(t, first, scrape(m, 30, w, nil, map[uint64][]int{50: {10}})[50], "it outlives its name")
}

func TestFoundByNameLater(t *testing.T) {
	w := world{10: {start: 1}}
	m := newMemory()
	first := scrape(m, 10, w, nil, map[uint64][]int{50: {10}})[50]
	later := scrape(m, 20, w, []bound{{"vpn", bindID{7, 99}, 50}}, map[uint64][]int{50: {10}})[50]
	assert.Same(t, first, later)
	assert.Equal(t, Namespace{PID: 10, Start: boot.Add(1)}, *later, "no series breaks")
}

func TestNameWhoseNamespaceLivesOn(t *testing.T) {
	w := world{10: {start: 1}}
	m := newMemory()
	start := time.Unix(3_000_000, 0).UTC()
	scrape(m, 10, w, []bound{{"vpn", bindID{7, 1}, 50}}, map[uint64][]int{50: {10}})
	got := scrape(m, 20, w, []bound{{"vpn", bindID{8, 2}, 51}}, map[uint64][]int{50: {10}})
	assert.Equal(t, "vpn", got[50].Name, "deleted by name, alive in a process")
	assert.Equal(t, "/run/netns/vpn", got[51].Name)
	w[11] = w[10]
	scrape(m, 30, w, []bound{{"vpn", bindID{8, 2}, 51}}, map[uint64][]int{50: {10}, 51: {11}})
	got = scrape(m, 40, w, []bound{{"vpn", bindID{9, start.UnixNano()}, 52}}, map[uint64][]int{50: {10}, 51: {11}})
	assert.Equal(t, "/run/netns/vpn@1970-02-04T17:20:00Z", got[52].Name)
}

func TestPIDOfALivingNamespaceUsedAgain(t *testing.T) {
	w := world{10: {start: 1}, 11: {start: 2}}
	m := newMemory()
	scrape(m, 10, w, nil, map[uint64][]int{50: {10, 11}})
	w[10] = world{10: {start: 15}}[10]
	w[12] = world{12: {start: 16}}[12]
	got := scrape(m, 20, w, nil, map[uint64][]int{50: {11}, 51: {10, 12}})
	assert.Equal(t, 10, got[50].PID)
	assert.Equal(t, 12, got[51].PID)
	delete(w, 12)
	w[10] = world{10: {start: 25}}[10]
	got = scrape(m, 30, w, nil, map[uint64][]int{50: {11}, 52: {10}})
	assert.NotEqual(t, (&record{ns: *got[50]}).label(), (&record{ns: *got[52]}).label())
}

func TestMemoryForgets(t *testing.T) {
	m := newMemory()
	for i := range 1000 {
		w := world{i + 1: {start: time.Duration(i)}}
		scrape(m, time.Duration(i), w, []bound{{"x", bindID{uint64(i), int64(i)}, 50}}, map[uint64][]int{51: {i + 1}})
	}
	scrape(m, 5000, nil, nil, nil)
	assert.Empty(t, m.byBind)
	assert.Empty(t, m.byFile)
	assert.Empty(t, m.called)
	assert.Empty(t, m.names)

	// A namespace that is mounted again and again takes no more memory.
	w := world{1: {start: 1}}
	for i := range 1000 {
		scrape(m, time.Duration(i+2), w, []bound{{"x", bindID{1, int64(i)}, 50}}, map[uint64][]int{50: {1}})
	}
	assert.Len(t, m.byBind, 1)
	assert.Len(t, m.byFile[50].binds, 1)
}
