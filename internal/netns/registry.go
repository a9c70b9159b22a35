// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"
	"math"
	"slices"
)

// registry knows the namespaces of earlier scrapes, so that each keeps its names
// while it lives. It does no I/O.
//
// A namespace is recognised by its bind mount, or by its inode number together
// with a process that was in it before: the kernel uses inode numbers again as
// soon as a namespace is gone. The order matters: reconcile first marks what it
// recognises and then forgets everything else. Only then named and ofProcesses
// name what is new, named namespaces before those of processes, so that names
// which became free can be used again.
type registry struct {
	// generation counts the scrapes.
	generation int
	byMount    map[mountID]*entry
	byInode    map[uint64]*entry
	// labelCount counts the living namespaces by their labels, and nameCount by
	// their names, so that no two have the same.
	labelCount map[Namespace]int
	nameCount  map[string]int
}

// entry is one living namespace and how to recognise it.
type entry struct {
	ns    Namespace
	inode uint64
	// found is the generation in which it was last recognised or named.
	found int
	// confirmed is the generation in which processes last proved that it lives.
	confirmed int
	// read is the generation in which it was last read. A namespace with several
	// names is read once.
	read int
	// mounts are those by which it was found in generation found.
	mounts []mountID
	// pids are the processes in it when it was last confirmed, sorted, at the time
	// scanned.
	pids    []int
	scanned ticks
}

// group is the set of processes that are in one namespace.
type group struct {
	inode uint64
	// pids are sorted.
	pids []int
	// scanned is when the scan of proc began.
	scanned ticks
}

// processes tells about processes.
type processes interface {
	// start returns when a process started, unknownStart if that cannot be read;
	// false if the process is gone.
	start(pid int) (ticks, bool)
	// cgroup returns what the cgroup of a process says it belongs to.
	cgroup(pid int) owner
}

// unknownStart stands for the start of a process that cannot be read. It sorts
// after all others.
const unknownStart = ticks(math.MaxInt64)

func newRegistry() *registry {
	return &registry{
		byMount:    make(map[mountID]*entry),
		byInode:    make(map[uint64]*entry),
		labelCount: make(map[Namespace]int),
		nameCount:  make(map[string]int),
	}
}

// reconcile begins a generation: it recognises the namespaces of the one before by
// the mounts and the groups that were found, and forgets the others. Where the
// processes could not be listed completely, it forgets nothing.
func (r *registry) reconcile(mounts []*mount, groups map[uint64]*group, complete bool, p processes) {
	r.generation++
	before := r.byMount
	r.byMount = make(map[mountID]*entry, len(mounts))
	for _, m := range mounts {
		if e := before[m.id]; e != nil {
			r.markFound(e)
			r.addMount(e, m.id)
		}
	}
	for _, g := range groups {
		// That a mount is in the list does not confirm that the processes with the
		// same inode number are in its namespace: the mount can be gone by now, and
		// its inode number with it.
		if e := r.byInode[g.inode]; e != nil && e.sharesProcess(g, p) {
			r.markFound(e)
			e.confirm(g, r.generation)
		}
	}
	if !complete {
		return
	}
	for _, e := range r.byInode {
		if e.found != r.generation {
			r.forget(e)
		}
	}
}

// markFound notes that the namespace lives. The mounts of earlier generations no
// longer count.
func (r *registry) markFound(e *entry) {
	if e.found != r.generation {
		e.found = r.generation
		e.mounts = e.mounts[:0]
	}
}

func (r *registry) addMount(e *entry, id mountID) {
	if r.byMount[id] != e {
		r.byMount[id] = e
		e.mounts = append(e.mounts, id)
	}
}

// confirm notes that the processes of the group are surely in the namespace.
func (e *entry) confirm(g *group, generation int) {
	e.confirmed = generation
	e.pids, e.scanned = append(e.pids[:0], g.pids...), g.scanned
}

// sharesProcess reports whether a process that was in the namespace before is in
// the group. It is the same process, and not a later one with the same PID, if it
// had started by then; where its start cannot be read, the PID has to do.
func (e *entry) sharesProcess(g *group, p processes) bool {
	for _, pid := range e.pids {
		if _, found := slices.BinarySearch(g.pids, pid); !found {
			continue
		}
		if start, alive := p.start(pid); alive && (start <= e.scanned || start == unknownStart) {
			return true
		}
	}
	return false
}

// mountGone notes that a mount was listed and is no longer there. Unless something
// else proves that the namespace lives, it is forgotten.
func (r *registry) mountGone(id mountID) {
	e := r.byMount[id]
	if e == nil {
		return
	}
	delete(r.byMount, id)
	e.mounts = slices.DeleteFunc(e.mounts, func(m mountID) bool { return m == id })
	if len(e.mounts) == 0 && e.confirmed != r.generation {
		r.forget(e)
	}
}

func (r *registry) forget(e *entry) {
	delete(r.byInode, e.inode)
	for _, id := range e.mounts {
		delete(r.byMount, id)
	}
	decrement(r.labelCount, e.ns)
	decrement(r.nameCount, e.ns.Name)
}

func decrement[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// living returns the namespace with this inode number if it was found in this
// generation.
func (r *registry) living(inode uint64) *entry {
	if e := r.byInode[inode]; e != nil && e.found == r.generation {
		return e
	}
	return nil
}

// follow notes which namespace a mount led to. A link can lead to another one than
// before.
func (r *registry) follow(m *mount, inode uint64) {
	if e := r.byMount[m.id]; e != nil && e.inode != inode {
		r.mountGone(m.id)
	}
}

// named returns the namespace behind a mount, whose inode number is known after
// entering it. g holds the processes in it, or is nil.
func (r *registry) named(m *mount, inode uint64, g *group, p processes) *entry {
	e := r.living(inode)
	if e == nil {
		e = &entry{inode: inode}
		if g != nil {
			if oldest, ok := oldestOf(g.pids, p); ok {
				e.ns = p.cgroup(oldest.pid).namespace()
			}
		}
		r.nameByMount(e, m)
		r.add(e)
	}
	r.addMount(e, m.id)
	if g != nil {
		e.confirm(g, r.generation)
	}
	return e
}

// ofProcesses names a new namespace after the oldest of the processes in it.
func (r *registry) ofProcesses(g *group, oldest process, ns Namespace) *entry {
	e := &entry{inode: g.inode, ns: ns}
	e.confirm(g, r.generation)
	r.nameByProcess(e, oldest)
	r.add(e)
	return e
}

func (r *registry) add(e *entry) {
	if old := r.byInode[e.inode]; old != nil {
		r.forget(old)
	}
	e.found = r.generation
	r.byInode[e.inode] = e
	r.labelCount[e.ns]++
	r.nameCount[e.ns.Name]++
}

// nameByMount gives a new namespace its name: that of the mount, or its path if a
// living namespace has the name. A runtime's own name for the namespace of a pod
// (CRI-O mounts it as /run/netns/UUID) tells less than the pod, and changes with
// each of its sandboxes.
func (r *registry) nameByMount(e *entry, m *mount) {
	if e.ns.PodUID != "" && r.labelCount[e.ns] == 0 {
		return
	}
	for _, name := range []string{m.name, m.path, fmt.Sprintf("%s@%d", m.path, m.id.changed)} {
		e.ns.Name = ValidUTF8(name)
		if r.nameCount[e.ns.Name] == 0 {
			return
		}
	}
}

// nameByProcess adds the PID to the labels of a new namespace if they do not
// identify it. A PID that a living namespace is called by belonged to an earlier
// process.
func (r *registry) nameByProcess(e *entry, oldest process) {
	taken := func() bool { return e.ns.IsMain() || r.labelCount[e.ns] > 0 }
	for _, pid := range append([]int{oldest.pid}, e.pids...) {
		if !taken() {
			return
		}
		e.ns.PID = pid
	}
	if taken() {
		e.ns.Name = fmt.Sprintf("/proc/%d/net@%d", e.ns.PID, e.scanned)
	}
}

// process is one process.
type process struct {
	pid   int
	start ticks
}

// oldestOf returns the process that started first; false if all are gone.
func oldestOf(pids []int, p processes) (oldest process, ok bool) {
	for _, pid := range pids {
		start, alive := p.start(pid)
		if alive && (!ok || start < oldest.start || start == oldest.start && pid < oldest.pid) {
			oldest, ok = process{pid: pid, start: start}, true
		}
	}
	return oldest, ok
}
