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
func (s *Source) readMain(h *host) Reading {
	// This process's main thread never changes its namespace. (/proc/net is a link
	// to the same, which a proc mounted with subset=pid lacks.) The host's namespace
	// is that of the host's PID 1.
	dir := "self/net"
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
			err = fmt.Errorf("%w: expected proc at %s", err, h.path(h.proc))
		}
	case err == nil && s.main == nil:
		s.main = &Namespace{Start: s.mainStart(h, inode)}
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
// that which the kernel made then, else the start of the oldest process in it.
// Boot is a lower bound in any case.
func (s *Source) mainStart(h *host, inode uint64) time.Time {
	if inInitialNamespace(h) {
		return s.boot
	}
	// Once in the life of a Source, and so worth a scan that nothing ends.
	scan, err := scanProcesses(context.Background(), h)
	if err != nil || scan.groups[inode] == nil {
		return s.boot
	}
	oldest, ok := oldestOf(scan.groups[inode].pids, h)
	if !ok {
		return s.boot
	}
	return s.boot.Add(oldest.start)
}

// inInitialNamespace reports whether this process's namespace is the one that is
// read, and that which the kernel made at boot. Only there does
// net.core.netdev_max_backlog exist (net_core_table in
// net/core/sysctl_net_core.c is registered for init_net alone).
func inInitialNamespace(h *host) bool {
	if h.root != "" {
		return false // /proc/sys/net is the reader's
	}
	var st unix.Stat_t
	return unix.Fstatat(h.procFD, "sys/net/core/netdev_max_backlog", &st, 0) == nil
}
