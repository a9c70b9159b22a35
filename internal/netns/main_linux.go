package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// readMain reads the main namespace, and notes the inode number of its file.
func (s *Source) readMain(ctx context.Context, h *host) Reading {
	// /proc/net leads to the namespace of this process's main thread, which never
	// changes it. Below a root that is not our own it would lead to the same, that
	// is not to the host's: that is the namespace of the host's PID 1.
	dir := "net"
	if h.root != "" {
		dir = "1/net"
	}
	path := filepath.Join(h.proc, dir, statFile)
	data, inode, err := s.readHostFile(h, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		var st unix.Stat_t
		if unix.Fstatat(h.procFD, dir, &st, 0) == nil {
			err = ErrNoStatistics
		} else {
			err = fmt.Errorf("%w: expected proc at %s, mounted without subset=pid", err, h.path(h.proc))
		}
	case err == nil && s.main == nil:
		s.main = &Namespace{Start: s.mainStart(ctx, h, inode)}
	}
	if inode != 0 {
		s.mainFile = inode
	}
	return Reading{Namespace: s.main, File: h.path(path), Data: data, Err: err}
}

func (s *Source) readHostFile(h *host, path string) ([]byte, uint64, error) {
	fd, err := h.open(path, unix.O_RDONLY)
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(fd)
	data, inode, err := s.file.readFD(fd)
	if err != nil {
		err = &fs.PathError{Op: "read", Path: h.path(path), Err: err}
	}
	return data, inode, err
}

// mainStart says since when the main namespace counts: the machine's boot for
// that of the host, else the start of the oldest process in it.
func (s *Source) mainStart(ctx context.Context, h *host, inode uint64) time.Time {
	if h.root != "" || inInitialNamespace(h) {
		return s.boot
	}
	scan, err := scanProcesses(ctx, h)
	if err != nil {
		return time.Now()
	}
	g := scan.groups[inode]
	if g == nil {
		return time.Now()
	}
	oldest, ok := oldestOf(g.pids, h)
	if !ok {
		return time.Now()
	}
	return s.boot.Add(oldest.start)
}

// inInitialNamespace reports whether this process runs in the network namespace
// that the kernel made at boot. Only there does net.core.netdev_max_backlog
// exist (net_core_table in net/core/sysctl_net_core.c is registered for
// init_net alone).
func inInitialNamespace(h *host) bool {
	var st unix.Stat_t
	return unix.Fstatat(h.procFD, "sys/net/core/netdev_max_backlog", &st, 0) == nil
}
