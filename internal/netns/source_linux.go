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
	return &Source{opts: opts, boot: time.Now().Add(-up), memory: newMemory()}, nil
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
	h, err := openHost(s.opts.Root, s.opts.Proc)
	if err != nil {
		visit(Reading{Namespace: s.main, File: filepath.Join(s.opts.Root, s.opts.Proc), Err: err})
		return
	}
	defer h.close()

	reading := s.readMain(h)
	visit(reading)
	if !s.opts.Processes && len(s.opts.Named.Include) == 0 || errors.Is(reading.Err, ErrNoStatistics) {
		return
	}
	s.visitOthers(ctx, h, visit)
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
	t := startTour(ctx, h, &s.tourFile)
	for batch := range slices.Chunk(binds, batchSize) {
		t.read(batch)
		for _, b := range batch {
			s.visitBind(h, b, groups, visit)
		}
	}
	if err := t.end(); err != nil {
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
	for _, g := range s.inOrder(ctx, groups, h) {
		if ctx.Err() != nil {
			reading := Reading{File: h.path(h.proc), Err: ErrUnread}
			if r := s.memory.byFile[g.file]; r != nil {
				reading.Namespace = &r.ns
			}
			visit(reading)
			continue
		}
		r, ok := s.memory.ofProcesses(g, s.boot, h)
		if !ok {
			continue
		}
		s.visitProcesses(h, g, r, visit)
	}
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

// visitProcesses reads through the process that proved which namespace it is,
// else through the others. That all have ended, or left, is no error.
func (s *Source) visitProcesses(h *host, g *group, r *record, visit func(Reading)) {
	reading := Reading{Namespace: &r.ns}
	for _, pid := range append([]int{r.witness.pid}, g.pids...) {
		if pid == 0 {
			continue
		}
		path := strconv.Itoa(pid) + "/net/" + statFile
		data, inode, err := s.file.read(h.procFD, path)
		switch {
		case err == nil && inode == g.file:
			reading.File, reading.Data, reading.Err = filepath.Join(h.path(h.proc), path), data, nil
			visit(reading)
			return
		case err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
			continue
		}
		reading.File = filepath.Join(h.path(h.proc), path)
		reading.Err = &fs.PathError{Op: "read", Path: reading.File, Err: err}
	}
	if reading.Err != nil {
		visit(reading)
	}
}
