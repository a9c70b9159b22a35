// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Source reads the namespaces that its Options select. It is not safe for
// concurrent use. It keeps no descriptor between two calls of Visit: an open file
// or socket keeps a deleted namespace alive.
type Source struct {
	opts      Options
	main      Namespace
	mainInode uint64
	registry  *registry
	file      fileReader
	// listed holds the mounts that were last found in each directory.
	listed map[string][]*mount
	// namedPaths are the paths of the named namespaces that the last scrape read.
	namedPaths map[string]bool
}

var errUnidentified = errors.New("no other network namespace is read while the main one cannot be identified by its " + identityFile)

// NewSource returns a Source. It reads nothing yet.
func NewSource(opts Options) (*Source, error) {
	if opts.Proc == "" {
		opts.Proc = "/proc"
	}
	if opts.Limit == 0 {
		opts.Limit = DefaultLimit
	}
	return &Source{opts: opts, registry: newRegistry(), listed: make(map[string][]*mount)}, nil
}

// Check looks for what must exist at the start, and says how to provide it.
func (s *Source) Check() error {
	if s.opts.Root == "" {
		return nil
	}
	return checkRoot(s.opts.Root, s.opts.Proc)
}

// Visit reads every namespace once and calls visit for each, the main one first.
// Named namespaces are visited on a thread that is inside the namespace, so visit
// must not block. When ctx ends, Visit stops between two namespaces and reports
// those that it knows and did not read with ErrUnread.
func (s *Source) Visit(ctx context.Context, visit func(Reading)) {
	h, err := openHost(s.opts.Root, s.opts.Proc)
	if err != nil {
		visit(Reading{Namespace: &s.main, File: s.opts.Root + s.opts.Proc, Err: err})
		return
	}
	defer h.close()
	main := s.readMain(h)
	visit(main)
	others := s.opts.Processes || len(s.opts.Named.Include) > 0
	if !others || errors.Is(main.Err, ErrNoStatistics) && !s.opts.WithoutStatistics {
		return
	}
	if s.mainInode == 0 {
		// The main namespace would be read again, as one of the others.
		visit(Reading{File: h.procPath(""), Err: errUnidentified})
		return
	}
	onThread(s.ownProc(), func(t *nsThread) {
		(&scrape{Source: s, host: h, thread: t, visit: visit, left: s.opts.Limit - 1}).run(ctx)
	})
}

// scrape is one scrape of all namespaces but the main one.
type scrape struct {
	*Source
	host   *host
	thread *nsThread
	visit  func(Reading)
	groups map[uint64]*group
	// left is how many namespaces may still be read.
	left int
}

func (s *scrape) run(ctx context.Context) {
	mounts, problems := s.host.listMounts(s.opts.Named, s.listed)
	complete := true
	if s.opts.Processes {
		var err error
		if s.groups, err = s.host.listGroups(ctx); err != nil {
			problems = append(problems, Reading{File: s.host.procPath(""), Err: err})
		}
		complete = s.groups != nil
	}
	if ctx.Err() != nil {
		s.visitUnread()
		return
	}
	for _, problem := range problems {
		s.visit(problem)
	}
	delete(s.groups, s.mainInode)
	s.registry.reconcile(mounts, s.groups, complete, s.host)
	s.visitMounts(ctx, mounts)
	s.visitGroups(ctx)
}

// visitUnread reports all namespaces of earlier scrapes, or one unknown.
func (s *scrape) visitUnread() {
	reading := Reading{File: s.host.procPath(""), Err: ErrUnread}
	if len(s.registry.byInode) == 0 {
		s.visit(reading)
	}
	for _, e := range s.registry.byInode {
		reading.Namespace = &e.ns
		s.visit(reading)
	}
}

// visitMounts reads the named namespaces, and removes them from s.groups.
func (s *scrape) visitMounts(ctx context.Context, mounts []*mount) {
	before := s.namedPaths
	s.namedPaths = make(map[string]bool, len(mounts))
	if len(mounts) == 0 {
		return
	}
	if err := s.thread.open(); err != nil {
		s.visit(Reading{File: s.host.path(mounts[0].path), Err: err})
		return
	}
	// At the limit those that are known stay.
	slices.SortStableFunc(mounts, func(a, b *mount) int {
		return cmp.Compare(s.isNew(a), s.isNew(b))
	})
	for _, m := range mounts {
		err := m.err
		if err == nil {
			err = s.visitMount(ctx, m)
		}
		switch {
		case err == nil:
			s.namedPaths[m.path] = true
		case errors.Is(err, fs.ErrNotExist): // it is gone
			s.registry.mountGone(m.id)
		default:
			if errors.Is(err, ErrNotNamespace) && before[m.path] {
				err = ErrUnmounted
			}
			s.visitFailed(m, err)
		}
	}
}

// isNew returns 0 for a mount that earlier scrapes know, 1 for a new one.
func (s *scrape) isNew(m *mount) int {
	if s.registry.byMount[m.id] != nil {
		return 0
	}
	return 1
}

// visitMount enters, reads and visits one named namespace, unless it was already.
func (s *scrape) visitMount(ctx context.Context, m *mount) error {
	if ctx.Err() != nil {
		return ErrUnread
	}
	fd, err := s.host.openNamespace(m)
	if err != nil {
		return err
	}
	err = s.thread.enter(fd)
	_ = unix.Close(fd)
	if err != nil {
		return err
	}
	inode, err := s.thread.identify()
	if err != nil {
		return err
	}
	s.registry.follow(m, inode)
	if inode == s.mainInode {
		return nil
	}
	known := s.registry.living(inode)
	switch {
	case known != nil && known.read == s.registry.generation:
		s.registry.addMount(known, m.id)
		return nil // by another name
	case s.left <= 0:
		delete(s.groups, inode) // not counted twice
		return ErrLimit
	}
	e := s.registry.named(m, inode, s.groups[inode], s.host)
	delete(s.groups, inode)
	e.read = s.registry.generation
	s.left--
	if e != known && !utf8.ValidString(m.name) {
		s.visit(Reading{File: s.host.path(m.path), Err: ErrInvalidName})
	}
	data, err := s.thread.read(&s.file)
	if err != nil && !errors.Is(err, ErrNoStatistics) {
		err = &fs.PathError{Op: "read", Path: s.host.path(m.path), Err: err}
	}
	s.visit(Reading{Namespace: &e.ns, File: s.host.path(m.path), Data: data, Err: err, Sockets: s.thread})
	return nil
}

func (s *scrape) visitFailed(m *mount, err error) {
	reading := Reading{File: s.host.path(m.path), Err: err}
	if e := s.registry.byMount[m.id]; e != nil {
		if e.read == s.registry.generation {
			return // it was read, or counted as unread, by another name
		}
		reading.Namespace = &e.ns
		if errors.Is(err, ErrUnread) {
			e.read = s.registry.generation
			delete(s.groups, e.inode)
		}
	}
	s.visit(reading)
}

// candidate is a namespace found through processes that may be read.
type candidate struct {
	*group
	// known is nil for a new namespace; ns and oldest are then what it is named
	// after.
	known  *entry
	ns     Namespace
	oldest process
	rank   int
}

// The ranks of candidates, in the order in which they are read.
const (
	knownOwner = iota // identified by a pod, a container or a unit
	newOwner
	knownPID // identified by process.pid, alone or beside its owner
	newPID
)

// visitGroups reads the namespaces that no name leads to, through a process that
// is in each.
func (s *scrape) visitGroups(ctx context.Context) {
	byPID, proc := 0, s.host.procPath("")
	for _, c := range s.candidates(ctx) {
		reading := Reading{File: proc, Err: ErrUnread}
		e := c.known
		if e != nil {
			reading.Namespace = &e.ns
		}
		switch {
		case ctx.Err() != nil:
			s.visit(reading)
			continue
		case s.left <= 0:
			reading.Err = ErrLimit
			s.visit(reading)
			continue
		case c.rank >= knownPID && byPID >= MaxByPID:
			reading.Err = ErrPIDLimit
			s.visit(reading)
			continue
		}
		path, data, err := s.host.readGroup(c.group, &s.file)
		if path == "" {
			continue // all processes have ended or left
		}
		if e == nil {
			e = s.registry.ofProcesses(c.group, c.oldest, c.ns)
		}
		s.left--
		if c.rank >= knownPID {
			byPID++
		}
		sockets := &groupSockets{host: s.host, thread: s.thread, group: c.group}
		s.visit(Reading{Namespace: &e.ns, File: path, Data: data, Err: err, Sockets: sockets})
	}
}

// candidates returns the groups in the order in which they are read, up to the
// limits: by rank, then by age. Of several new namespaces with the same owner the
// oldest is identified by it alone.
func (s *scrape) candidates(ctx context.Context) []candidate {
	var all []candidate
	for _, g := range s.groups {
		c := candidate{group: g, known: s.registry.living(g.inode)}
		if c.known == nil && ctx.Err() == nil {
			oldest, ok := oldestOf(g.pids, s.host)
			if !ok {
				continue
			}
			c.oldest, c.ns = oldest, s.host.cgroup(oldest.pid).namespace()
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.oldest.start, b.oldest.start), cmp.Compare(a.pids[0], b.pids[0]))
	})
	taken := make(map[Namespace]bool)
	for i := range all {
		c := &all[i]
		switch {
		case c.known != nil && c.known.ns.PID == 0:
			c.rank = knownOwner
		case c.known != nil:
			c.rank = knownPID
		case c.ns.IsMain() || taken[c.ns] || s.registry.labelCount[c.ns] > 0:
			c.rank = newPID
		default:
			c.rank, taken[c.ns] = newOwner, true
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.rank, b.rank) })
	return all
}
