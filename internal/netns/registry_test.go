// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the kernel cannot be made to do at will: inode numbers and PIDs that are
// used again. source_linux_test.go drives the rest with real namespaces.

// fakeProcesses says when processes started, and what they belong to.
type fakeProcesses map[int]struct {
	started ticks
	owner   owner
}

func (f fakeProcesses) start(pid int) (ticks, bool) {
	p, ok := f[pid]
	return p.started, ok
}

func (f fakeProcesses) cgroup(pid int) owner { return f[pid].owner }

// mountOf is the mount of a namespace that was created at this time.
func mountOf(name string, created int64) *mount {
	return &mount{name: name, path: "/run/netns/" + name, id: mountID{device: 4, inode: 7, changed: created}}
}

func groupsOf(groups ...*group) map[uint64]*group {
	all := make(map[uint64]*group)
	for _, g := range groups {
		all[g.inode] = g
	}
	return all
}

// name gives a new namespace of processes its labels.
func (r *registry) name(g *group, p processes) *entry {
	oldest, _ := oldestOf(g.pids, p)
	return r.ofProcesses(g, oldest, p.cgroup(oldest.pid).namespace())
}

func TestInodeNumberUsedAgain(t *testing.T) {
	p := fakeProcesses{10: {started: 5}}
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	first := r.name(&group{inode: 50, pids: []int{10}, scanned: 10}, p)

	// A process that is still there proves that it is the same.
	p[11] = fakeProcesses{11: {started: 15}}[11]
	r.reconcile(nil, groupsOf(&group{inode: 50, pids: []int{10, 11}, scanned: 20}), true, p)
	require.Same(t, first, r.living(50))
	r.reconcile(nil, groupsOf(&group{inode: 50, pids: []int{11}, scanned: 30}), true, p)
	require.Same(t, first, r.living(50))

	// Another process in a namespace with the same number does not.
	p[12] = fakeProcesses{12: {started: 35}}[12]
	g := &group{inode: 50, pids: []int{12}, scanned: 40}
	r.reconcile(nil, groupsOf(g), true, p)
	require.Nil(t, r.living(50))
	second := r.name(g, p)
	assert.Equal(t, Namespace{PID: 12}, second.ns)

	// The PID is used again too: the start tells.
	p[12] = fakeProcesses{12: {started: 45}}[12]
	r.reconcile(nil, groupsOf(&group{inode: 50, pids: []int{12}, scanned: 50}), true, p)
	assert.Nil(t, r.living(50))
}

// Where the start of a process cannot be read, its PID has to do.
func TestUnknownStart(t *testing.T) {
	p := fakeProcesses{10: {started: unknownStart}, 11: {started: 5}}
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	e := r.name(&group{inode: 50, pids: []int{10}, scanned: 10}, p)
	assert.Equal(t, Namespace{PID: 10}, e.ns)
	r.reconcile(nil, groupsOf(&group{inode: 50, pids: []int{10}, scanned: 20}), true, p)
	assert.Same(t, e, r.living(50))
	oldest, ok := oldestOf([]int{10, 11}, p)
	assert.True(t, ok)
	assert.Equal(t, 11, oldest.pid, "a known start is older")
}

func TestMountMadeAnew(t *testing.T) {
	r := newRegistry()
	r.reconcile(nil, nil, true, nil)
	first := r.named(mountOf("vpn", 1), 50, nil, nil)
	r.reconcile([]*mount{mountOf("vpn", 1)}, nil, true, nil)
	require.Same(t, first, r.living(50))
	// All numbers are used again; the change time tells.
	r.reconcile([]*mount{mountOf("vpn", 2)}, nil, true, nil)
	require.Nil(t, r.living(50))
	assert.NotSame(t, first, r.named(mountOf("vpn", 2), 50, nil, nil))
}

// Two links on two file systems can agree in inode number and time.
func TestDeviceBelongsToTheIdentity(t *testing.T) {
	one, two := mountOf("a", 1), mountOf("b", 1)
	two.id.device++
	r := newRegistry()
	r.reconcile(nil, nil, true, nil)
	assert.NotSame(t, r.named(one, 50, nil, nil), r.named(two, 51, nil, nil))
	r.reconcile([]*mount{one, two}, nil, true, nil)
	assert.NotNil(t, r.living(50))
	assert.NotNil(t, r.living(51))
}

// Between the listing of the mounts and the scan of the processes a namespace is
// deleted, and another one gets its inode number.
func TestMountGoneDuringTheScan(t *testing.T) {
	p := fakeProcesses{10: {started: 15, owner: owner{containerID: "C"}}}
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	m := mountOf("a", 1)
	r.named(m, 50, nil, p)
	g := &group{inode: 50, pids: []int{10}, scanned: 20}
	r.reconcile([]*mount{m}, groupsOf(g), true, p)
	r.mountGone(m.id)
	require.Nil(t, r.living(50))
	assert.Equal(t, Namespace{ContainerID: "C"}, r.name(g, p).ns)
}

// Of two mounts of a namespace one goes; the other, or a process, proves it.
func TestOneProofOfTwoGone(t *testing.T) {
	p := fakeProcesses{10: {started: 1}}
	one, two := mountOf("c1", 1), mountOf("c2", 2)
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	e := r.named(one, 50, nil, p)
	require.Same(t, e, r.named(two, 50, nil, p))
	r.reconcile([]*mount{one, two}, nil, true, p)
	r.mountGone(one.id)
	assert.Same(t, e, r.named(two, 50, &group{inode: 50, pids: []int{10}, scanned: 5}, p))

	r.reconcile([]*mount{two}, groupsOf(&group{inode: 50, pids: []int{10}, scanned: 9}), true, p)
	r.mountGone(two.id)
	assert.Same(t, e, r.living(50), "a process is in it")
}

// If the processes could not be listed, nothing is forgotten.
func TestIncompleteScanForgetsNothing(t *testing.T) {
	p := fakeProcesses{10: {started: 1}}
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	e := r.name(&group{inode: 50, pids: []int{10}, scanned: 10}, p)
	r.reconcile(nil, nil, false, p)
	assert.Nil(t, r.living(50))
	r.reconcile(nil, groupsOf(&group{inode: 50, pids: []int{10}, scanned: 20}), true, p)
	assert.Same(t, e, r.living(50))
	r.reconcile(nil, nil, true, p)
	assert.Empty(t, r.byInode)
}

func TestLabelsAreUnique(t *testing.T) {
	pod, container := owner{podUID: "P"}, owner{containerID: "C"}
	p := fakeProcesses{1: {1, pod}, 2: {2, pod}, 3: {3, container}, 4: {4, container}, 5: {5, owner{}}}
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	var got []Namespace
	for pid := 1; pid <= 5; pid++ {
		got = append(got, r.name(&group{inode: uint64(50 + pid), pids: []int{pid}, scanned: 10}, p).ns)
	}
	assert.Equal(t, []Namespace{{PodUID: "P"}, {PodUID: "P", PID: 2}, {ContainerID: "C"}, {ContainerID: "C", PID: 4}, {PID: 5}}, got)

	// A PID that a living namespace is called by.
	assert.Equal(t, Namespace{PID: 6}, r.name(&group{inode: 60, pids: []int{5, 6}, scanned: 10}, p).ns)
	assert.Equal(t, Namespace{PID: 5, Name: "/proc/5/net@10"}, r.name(&group{inode: 61, pids: []int{5}, scanned: 10}, p).ns)

	// Names of mounts: the name, the path, the path and the time.
	for i, want := range []string{"vpn", "/run/netns/vpn", "/run/netns/vpn@3"} {
		assert.Equal(t, Namespace{Name: want}, r.named(mountOf("vpn", int64(i+1)), uint64(70+i), nil, p).ns)
	}
	// Two names that are equal once they are valid UTF-8.
	assert.Equal(t, Namespace{Name: `a\xff`}, r.named(mountOf(`a\xff`, 8), 80, nil, p).ns)
	assert.Equal(t, Namespace{Name: `/run/netns/a\xff`}, r.named(mountOf("a\xff", 9), 81, nil, p).ns)
}

// The name of a mount gives way to the pod, once.
func TestMountOfAPod(t *testing.T) {
	p := fakeProcesses{1: {1, owner{podUID: "P"}}, 2: {2, owner{podUID: "P"}}, 3: {3, owner{unit: "u.service"}}}
	r := newRegistry()
	r.reconcile(nil, nil, true, p)
	assert.Equal(t, Namespace{PodUID: "P"}, r.named(mountOf("uuid", 1), 50, &group{inode: 50, pids: []int{1}}, p).ns)
	assert.Equal(t, Namespace{PodUID: "P", Name: "other"}, r.named(mountOf("other", 2), 51, &group{inode: 51, pids: []int{2}}, p).ns)
	assert.Equal(t, Namespace{Unit: "u.service", Name: "vpn"}, r.named(mountOf("vpn", 3), 52, &group{inode: 52, pids: []int{3}}, p).ns)
}

func TestRegistryForgets(t *testing.T) {
	p := fakeProcesses{}
	r := newRegistry()
	for i := range 1000 {
		p[i+1] = fakeProcesses{1: {started: ticks(10 * i)}}[1]
		m, g := mountOf("x", int64(i)), &group{inode: 51, pids: []int{i + 1}, scanned: ticks(10*i + 1)}
		r.reconcile([]*mount{m}, groupsOf(g), true, p)
		r.named(m, 50, nil, p)
		if r.living(51) == nil {
			r.name(g, p)
		}
	}
	assert.Len(t, r.byInode, 2)
	r.reconcile(nil, nil, true, p)
	assert.Empty(t, r.byMount)
	assert.Empty(t, r.byInode)
	assert.Empty(t, r.labelCount)
	assert.Empty(t, r.nameCount)
}
