package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Options say which namespaces a Source reads.
type Options struct {
	// Proc is where proc is mounted; empty means /proc.
	Proc string
}

// Source reads the namespaces that its Options name. It is not safe for
// concurrent use, and keeps no descriptor between two calls of Visit.
type Source struct {
	proc string
	boot time.Time
	main *Namespace
	file fileReader
}

// NewSource returns a Source. It reads nothing yet.
func NewSource(opts Options) (*Source, error) {
	boot, err := bootTime()
	if err != nil {
		return nil, err
	}
	s := &Source{proc: opts.Proc, boot: boot}
	if s.proc == "" {
		s.proc = "/proc"
	}
	return s, nil
}

// Visit reads every namespace and hands each to visit. It stops between two
// namespaces when ctx ends, and then returns the cause.
func (s *Source) Visit(ctx context.Context, visit func(Reading)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	visit(s.readMain())
	return nil
}

// readMain reads the namespace that this process runs in. /proc/net leads to
// that of the process's main thread, which never changes its namespace.
func (s *Source) readMain() Reading {
	path := filepath.Join(s.proc, "net", statFile)
	data, inode, err := s.file.read(path)
	if s.main == nil && err == nil {
		s.main = &Namespace{Start: s.mainStart(inode)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = s.explainMissing(err)
	}
	return Reading{Namespace: s.main, File: path, Data: data, Err: err}
}

// explainMissing tells a kernel without the statistics from a proc that is not
// there.
func (s *Source) explainMissing(err error) error {
	dir := filepath.Join(s.proc, "net")
	_, dirErr := os.Stat(dir)
	switch {
	case dirErr == nil:
		return ErrNoStatistics
	case errors.Is(dirErr, fs.ErrNotExist):
		return fmt.Errorf("%w: expected proc at %s, mounted without subset=pid", err, s.proc)
	default:
		return dirErr
	}
}

// mainStart says since when the main namespace counts.
func (s *Source) mainStart(inode uint64) time.Time {
	if s.inInitialNamespace() {
		return s.boot
	}
	oldest, ok := oldestProcess(s.proc, inode)
	if !ok {
		return time.Now()
	}
	return s.boot.Add(oldest.start)
}

// inInitialNamespace reports whether this process runs in the network namespace
// that the kernel made at boot. Only there does net.core.netdev_max_backlog
// exist (net_core_table in net/core/sysctl_net_core.c is registered for
// init_net alone).
func (s *Source) inInitialNamespace() bool {
	_, err := os.Stat(filepath.Join(s.proc, "sys/net/core/netdev_max_backlog"))
	return err == nil
}
