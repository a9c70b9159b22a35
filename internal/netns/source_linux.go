package netns

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Source reads the namespaces that its Options name. It is not safe for
// concurrent use, and keeps no descriptor between two calls of Visit: an open
// file would keep a deleted namespace alive.
type Source struct {
	opts Options
	// boot is when the machine booted, by its own clock of now. It is computed
	// once, because steps of the clock must not move start timestamps.
	boot time.Time
	main *Namespace
	// own is the path of this process's own file.
	own string
	// mainFile is the inode number of the main namespace's file.
	mainFile uint64
	memory   *memory
	file     fileReader
	tourFile fileReader
}

// NewSource returns a Source. It reads nothing yet.
func NewSource(opts Options) (*Source, error) {
	if opts.Proc == "" {
		opts.Proc = "/proc"
	}
	up, err := sinceBoot()
	if err != nil {
		return nil, err
	}
	return &Source{opts: opts, boot: time.Now().Add(-up), memory: newMemory(), own: filepath.Join(opts.Proc, "self/net", statFile)}, nil
}

// Check looks for what must be there at the start, and says how to get it.
func (s *Source) Check() error {
	if s.opts.Root == "" {
		return nil
	}
	return checkRoot(s.opts.Root, s.opts.Proc)
}

// Visit reads every namespace, each once, and hands it to visit. When ctx ends it
// stops between two namespaces, and hands over those that it knows of and did not
// read with ErrUnread.
func (s *Source) Visit(ctx context.Context, visit func(Reading)) {
	if s.visitOwn(visit) {
		return
	}
	h, err := openHost(s.opts.Root, s.opts.Proc)
	if err != nil {
		visit(Reading{Namespace: s.main, File: filepath.Join(s.opts.Root, s.opts.Proc), Err: err})
		return
	}
	defer h.close()

	reading := s.readMain(h)
	visit(reading)
	if !s.others() || errors.Is(reading.Err, ErrNoStatistics) {
		return
	}
	s.visitOthers(ctx, h, visit)
}

// others reports whether more than the main namespace is asked for.
func (s *Source) others() bool { return s.opts.Processes || len(s.opts.Named.Include) > 0 }

// visitOwn reads this process's own namespace with as few system calls as the
// kernel allows, where nothing else is asked for; false if that fails, or if it
// is the first time.
func (s *Source) visitOwn(visit func(Reading)) bool {
	if s.opts.Root != "" || s.others() || s.main == nil {
		return false
	}
	data, err := s.file.readBare(s.own)
	if err != nil {
		return false
	}
	visit(Reading{Namespace: s.main, File: s.own, Data: data})
	return true
}

func (s *Source) visitOthers(ctx context.Context, h *host, visit func(Reading)) {
	binds, problems := s.listNamed(h)
	groups, scanned := map[uint64]*group(nil), true
	if s.opts.Processes {
		var problem *Reading
		groups, problem = s.listGroups(ctx, h)
		if problem != nil {
			problems = append(problems, *problem)
		}
		scanned = groups != nil
	}
	if ctx.Err() != nil {
		s.visitUnread(h, visit)
		return
	}
	for _, problem := range problems {
		visit(problem)
	}
	delete(groups, s.mainFile)

	s.memory.begin()
	for _, b := range binds {
		s.memory.markBind(b.id)
	}
	for _, g := range groups {
		s.memory.markGroup(g, h)
	}
	if scanned {
		s.memory.sweep()
	}

	s.visitNamed(ctx, h, binds, groups, visit)
	s.visitGroups(ctx, h, groups, visit)
}

// visitUnread hands over all namespaces of earlier scrapes, or one unknown.
func (s *Source) visitUnread(h *host, visit func(Reading)) {
	reading := Reading{File: h.path(h.proc), Err: ErrUnread}
	if len(s.memory.byFile) == 0 {
		visit(reading)
	}
	for _, r := range s.memory.byFile {
		reading.Namespace = &r.ns
		visit(reading)
	}
}

func (s *Source) listNamed(h *host) ([]*bind, []Reading) {
	if len(s.opts.Named.Include) == 0 {
		return nil, nil
	}
	return listNamed(h, s.opts.Named)
}

// listGroups finds the namespaces of the processes; nil if that failed.
func (s *Source) listGroups(ctx context.Context, h *host) (map[uint64]*group, *Reading) {
	proc := h.path(h.proc)
	found, err := scanProcesses(ctx, h)
	if err != nil {
		return nil, &Reading{File: proc, Err: err}
	}
	var st unix.Stat_t
	if found.hidden > 0 || unix.Fstatat(h.procFD, "1", &st, 0) != nil && h.isProc() {
		return found.groups, &Reading{File: proc, Err: ErrHidden}
	}
	return found.groups, nil
}

// visitNamed reads the named namespaces, and takes those out of groups.
func (s *Source) visitNamed(ctx context.Context, h *host, binds []*bind,
	groups map[uint64]*group, visit func(Reading),
) {
	if len(binds) == 0 {
		return
	}
	err := visitAll(ctx, h, &s.tourFile, binds, func(b *bind) { s.visitBind(h, b, groups, visit) })
	if err != nil {
		visit(Reading{File: threadFile, Err: err})
	}
}

func (s *Source) visitBind(h *host, b *bind, groups map[uint64]*group, visit func(Reading)) {
	path := h.path(b.path)
	if b.err != nil {
		s.visitFailed(b, path, groups, visit)
		return
	}
	if b.file == s.mainFile {
		return
	}
	g := groups[b.file]
	r := s.memory.named(b.id, b.file, g, b.name, b.path, h)
	delete(groups, b.file)
	if r.read == s.memory.scrape {
		return // by another name, through a link
	}
	r.read = s.memory.scrape
	visit(Reading{Namespace: &r.ns, File: path, Data: b.data})
}

func (s *Source) visitFailed(b *bind, path string, groups map[uint64]*group, visit func(Reading)) {
	if errors.Is(b.err, fs.ErrNotExist) { // it has gone meanwhile
		s.memory.gone(b.id)
		return
	}
	reading := Reading{File: path, Err: b.err}
	if r := s.memory.byBind[b.id]; r != nil {
		reading.Namespace = &r.ns
		if errors.Is(b.err, ErrUnread) {
			delete(groups, r.file) // not twice
		}
	}
	visit(reading)
}

// visitGroups reads the namespaces of processes through one of them each.
func (s *Source) visitGroups(ctx context.Context, h *host, groups map[uint64]*group, visit func(Reading)) {
	if len(groups) == 0 {
		return
	}
	ordered := s.inOrder(ctx, groups, h)
	for _, g := range ordered {
		if r := s.memory.byFile[g.file]; r != nil {
			g.witness = r.witness.pid
		}
	}
	spawn := func(run func()) { go run() }
	read := func(g *group, arena []byte) []byte {
		if ctx.Err() != nil {
			g.path, g.err = h.path(h.proc), ErrUnread
			return arena
		}
		return s.readGroup(h, g, arena)
	}
	readAhead(ordered, spawn, read, func(g *group) { s.visitGroup(h, g, visit) })
}

func (s *Source) visitGroup(h *host, g *group, visit func(Reading)) {
	reading := Reading{File: g.path, Data: g.data, Err: g.err}
	switch {
	case g.path == "": // they have all ended, or left
		return
	case errors.Is(g.err, ErrUnread):
		if r := s.memory.byFile[g.file]; r != nil {
			reading.Namespace = &r.ns
		}
	default:
		r, ok := s.memory.ofProcesses(g, s.boot, h)
		if !ok {
			return
		}
		reading.Namespace = &r.ns
	}
	visit(reading)
}

// inOrder sorts the groups so that of new namespaces that would be called alike
// the one with the oldest process comes first.
func (s *Source) inOrder(ctx context.Context, groups map[uint64]*group, h *host) []*group {
	type aged struct {
		*group
		oldest time.Duration
	}
	all := make([]aged, 0, len(groups))
	for g := range maps.Values(groups) {
		one := aged{group: g}
		if s.memory.byFile[g.file] == nil && ctx.Err() == nil {
			if oldest, ok := oldestOf(g.pids, h); ok {
				one.oldest = oldest.start
			}
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b aged) int {
		if a.oldest != b.oldest {
			return cmp.Compare(a.oldest, b.oldest)
		}
		return cmp.Compare(a.pids[0], b.pids[0])
	})
	sorted := make([]*group, len(all))
	for i := range all {
		sorted[i] = all[i].group
	}
	return sorted
}

// readGroup reads through the process that proved which namespace it is, else
// through the others. That all have ended, or left, is no error.
func (s *Source) readGroup(h *host, g *group, arena []byte) []byte {
	if g.witness != 0 && s.readThrough(h, g, g.witness, &arena) {
		return arena
	}
	for _, pid := range g.pids {
		if s.readThrough(h, g, pid, &arena) {
			break
		}
	}
	return arena
}

func (s *Source) readThrough(h *host, g *group, pid int, arena *[]byte) bool {
	path := strconv.Itoa(pid) + "/net/" + statFile
	data, inode, err := s.file.read(h.procFD, path)
	switch {
	case err == nil && inode == g.file:
		begin := len(*arena)
		*arena = append(*arena, data...)
		g.path, g.data, g.err = filepath.Join(h.path(h.proc), path), (*arena)[begin:], nil
		return true
	case err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENXIO):
		// The process has left or ended; with ENXIO its namespace is being taken down.
	default:
		g.path = filepath.Join(h.path(h.proc), path)
		g.err = &fs.PathError{Op: "read", Path: g.path, Err: err}
	}
	return false
}
