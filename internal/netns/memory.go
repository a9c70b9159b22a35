package netns

import (
	"fmt"
	"slices"
	"time"
)

// memory knows the namespaces of earlier scrapes, so that each keeps its name
// and its start time while it lives.
//
// A namespace is recognised by its bind mount, or by the inode number of its
// xfrm_stat together with a process that was in it before: the kernel uses inode
// numbers again as soon as a namespace has gone. A scrape first marks what it
// recognises, then forgets all others, and only then calls what is new by names,
// which those that have gone no longer hold.
type memory struct {
	scrape int
	byBind map[bindID]*record
	// before is byBind of the scrape before.
	before map[bindID]*record
	byFile map[uint64]*record
	// called counts the living namespaces by what they are called, and names by
	// their names, to keep two from being called alike.
	called map[label]int
	names  map[string]int
}

// record is one namespace and how to recognise it.
type record struct {
	ns Namespace
	// scrape is when it was last found.
	scrape int
	// proven is when processes last proved that it lives.
	proven int
	// read is when it was last read: once in a scrape, by however many names.
	read int
	// file is the inode number of its xfrm_stat.
	file uint64
	// binds are the mounts by which it was found in that scrape.
	binds []bindID
	// pids are the processes that were surely in it when it was last scanned, at
	// this time since boot.
	pids    []int
	scanned time.Duration
	// witness is one of them.
	witness process
}

// bindID identifies a namespace's bind mount: the inode number of the mounted
// namespace is used again at once after a delete, and only with the change time
// it is an identity.
type bindID struct {
	inode uint64
	// ctime in nanoseconds since the epoch.
	ctime int64
}

// label is what a namespace is called.
type label struct {
	name, podUID, containerID string
	pid                       int
}

func (r *record) label() label {
	return label{r.ns.Name, r.ns.PodUID, r.ns.ContainerID, r.ns.PID}
}

// process is one process as /proc shows it.
type process struct {
	pid int
	// start is the time since boot at which the process started, to 10 ms.
	start time.Duration
	// directory is the inode number of /proc/PID when start was read. proc gives a
	// process another number only after it has forgotten the entry (get_next_ino in
	// proc_pid_make_inode, fs/proc/base.c): the same number proves that it is the
	// same process, cheaper than start does; another proves nothing.
	directory uint64
}

// group are the processes of one namespace, in one scan.
type group struct {
	file uint64
	// pids are sorted.
	pids []int
	// scanned is when the scan began, since boot.
	scanned time.Duration
	// witness is the one that proved which namespace it is, or 0.
	witness int

	// What reading gave: the path, xfrm_stat, or err; nothing if all have gone.
	path string
	data []byte
	err  error
}

// details are what a process tells of its namespace.
type details interface {
	// start is when a process started; false if it has gone.
	start(pid int) (time.Duration, bool)
	// directory is the inode number of a process's directory, or 0.
	directory(pid int) uint64
	// cgroup is the pod and the container of a process.
	cgroup(pid int) (podUID, containerID string)
}

func newMemory() *memory {
	return &memory{
		byBind: make(map[bindID]*record),
		byFile: make(map[uint64]*record),
		called: make(map[label]int),
		names:  make(map[string]int),
	}
}

// begin begins a scrape.
func (m *memory) begin() {
	m.scrape++
	m.before, m.byBind = m.byBind, make(map[bindID]*record, len(m.byBind))
}

// markBind says that a bind mount is there.
func (m *memory) markBind(id bindID) {
	if r := m.before[id]; r != nil {
		m.mark(r)
		m.bind(r, id)
	}
}

// markGroup says that processes are there. That their namespace's mount was there
// a moment ago is no proof: it can have gone since, and its inode number with it
// to theirs.
func (m *memory) markGroup(g *group, d details) {
	if r := m.byFile[g.file]; r != nil && r.livesIn(g, d) {
		m.mark(r)
		r.holds(g, m.scrape)
	}
}

// holds says that these processes are in the namespace, by proof.
func (r *record) holds(g *group, scrape int) {
	r.proven = scrape
	r.pids, r.scanned = append(r.pids[:0], g.pids...), g.scanned
}

// gone says that a bind mount that was marked is no longer there. Without another
// proof its namespace has gone too.
func (m *memory) gone(id bindID) {
	r := m.byBind[id]
	if r == nil {
		return
	}
	delete(m.byBind, id)
	r.binds = slices.DeleteFunc(r.binds, func(b bindID) bool { return b == id })
	if len(r.binds) == 0 && r.proven != m.scrape {
		m.forget(r)
	}
}

// mark says that a namespace lives. What it was found by in earlier scrapes no
// longer counts, except for its processes, by which it can be recognised yet.
func (m *memory) mark(r *record) {
	if r.scrape == m.scrape {
		return
	}
	r.scrape = m.scrape
	r.binds = r.binds[:0]
}

func (m *memory) bind(r *record, id bindID) {
	if m.byBind[id] != r {
		m.byBind[id] = r
		r.binds = append(r.binds, id)
	}
}

// sweep forgets the namespaces that were not marked.
func (m *memory) sweep() {
	for _, r := range m.byFile {
		if r.scrape != m.scrape {
			m.forget(r)
		}
	}
}

func (m *memory) forget(r *record) {
	delete(m.byFile, r.file)
	for _, id := range r.binds {
		delete(m.byBind, id)
	}
	decrement(m.called, r.label())
	decrement(m.names, r.ns.Name)
}

func decrement[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// named returns the namespace behind a bind mount, whose xfrm_stat has the inode
// number file. g are the processes in it, or nil.
func (m *memory) named(id bindID, file uint64, g *group, name, path string, d details) *record {
	r := m.byBind[id]
	if r == nil {
		r = m.byFile[file]
	}
	if r != nil && r.file != file {
		// A link leads elsewhere by now.
		m.gone(id)
		delete(m.byBind, id)
		r = m.byFile[file]
	}
	if r != nil && r.scrape != m.scrape { // nothing has proven that it lives
		m.forget(r)
		r = nil
	}
	if r == nil {
		r = &record{file: file, ns: Namespace{Name: name, Start: time.Unix(0, id.ctime)}}
		if g != nil {
			if oldest, ok := oldestOf(g.pids, d); ok {
				r.witness = oldest
				r.ns.PodUID, r.ns.ContainerID = identifyCgroup(d, oldest.pid)
			}
		}
		m.callNamed(r, path)
		m.put(r)
	}
	m.bind(r, id)
	if g != nil {
		r.holds(g, m.scrape)
	}
	return r
}

// ofProcesses returns the namespace that a group of processes lives in; false
// if they have all gone.
func (m *memory) ofProcesses(g *group, boot time.Time, d details) (*record, bool) {
	if r := m.byFile[g.file]; r != nil {
		if r.scrape == m.scrape {
			return r, true
		}
		m.forget(r)
	}
	oldest, ok := oldestOf(g.pids, d)
	if !ok {
		return nil, false
	}
	r := &record{
		file: g.file, witness: oldest,
		ns: Namespace{Start: boot.Add(oldest.start)},
	}
	r.holds(g, m.scrape)
	r.ns.PodUID, r.ns.ContainerID = identifyCgroup(d, oldest.pid)
	m.callByProcess(r)
	m.put(r)
	return r, true
}

func (m *memory) put(r *record) {
	r.scrape = m.scrape
	m.byFile[r.file] = r
	m.called[r.label()]++
	m.names[r.ns.Name]++
}

// livesIn reports whether the group is surely in this namespace: a process that
// was in it at the scan before is still in it.
func (r *record) livesIn(g *group, d details) bool {
	if len(r.pids) == 0 {
		return false
	}
	now := func(pid int) bool {
		_, found := slices.BinarySearch(g.pids, pid)
		return found
	}
	if now(r.witness.pid) {
		directory := d.directory(r.witness.pid)
		if directory != 0 && directory == r.witness.directory {
			return true
		}
		if start, ok := d.start(r.witness.pid); ok && start == r.witness.start {
			r.witness.directory = directory
			return true
		}
	}
	for _, pid := range r.pids {
		if !now(pid) {
			continue
		}
		// A process that had this number then and one that has it now are the same
		// if the one of now had started by then.
		if start, ok := d.start(pid); ok && start < r.scanned {
			r.witness = process{pid: pid, start: start}
			return true
		}
	}
	return false
}

// oldestOf returns the process that started first; false if all have gone.
func oldestOf(pids []int, d details) (oldest process, ok bool) {
	for _, pid := range pids {
		start, alive := d.start(pid)
		if alive && (!ok || start < oldest.start || start == oldest.start && pid < oldest.pid) {
			oldest, ok = process{pid: pid, start: start}, true
		}
	}
	return oldest, ok
}

// identifyCgroup returns the pod, or else the container, of a process.
func identifyCgroup(d details, pid int) (podUID, containerID string) {
	podUID, containerID = d.cgroup(pid)
	if podUID != "" {
		return podUID, ""
	}
	return "", containerID
}

// callNamed settles what a new named namespace is called: its name, unless a
// living one has that, then its path.
func (m *memory) callNamed(r *record, path string) {
	if m.names[r.ns.Name] > 0 {
		r.ns.Name = path
	}
	if m.names[r.ns.Name] > 0 {
		// The namespace that the path named before lives on in a process.
		r.ns.Name = fmt.Sprintf("%s@%s", path, r.ns.Start.UTC().Format(time.RFC3339Nano))
	}
}

// callByProcess settles what a new namespace without a name is called: pod or
// container, unless a living one is called so, then with the PID too.
func (m *memory) callByProcess(r *record) {
	taken := func() bool { return r.label() == label{} || m.called[r.label()] > 0 }
	if !taken() {
		return
	}
	r.ns.PID = r.witness.pid
	for i := 0; taken() && i < len(r.pids); i++ {
		// A living namespace is called after an earlier process with this PID.
		r.ns.PID = r.pids[i]
	}
	if taken() {
		r.ns.Name = fmt.Sprintf("/proc/%d/net@%s", r.ns.PID, r.ns.Start.UTC().Format(time.RFC3339Nano))
	}
}
