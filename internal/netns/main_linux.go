// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// readMain reads the main namespace, and notes the inode number that identifies
// it.
func (s *Source) readMain(h *host) Reading {
	// The main thread of this process never changes its namespace. (/proc/net is a
	// link to the same directory, which a proc mounted with subset=pid lacks.) The
	// host's namespace is that of the host's PID 1.
	dir := "self"
	if h.root != "" {
		dir = "1"
	}
	if inode, err := inodeOf(h.procFD, dir+"/"+identityFile); err == nil {
		s.mainInode = inode
	}
	path := h.proc + "/" + dir + "/" + statFile
	data, err := s.readHostFile(h, path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := inodeOf(h.procFD, dir+"/net"); statErr == nil {
			err = ErrNoStatistics
		} else {
			err = fmt.Errorf("%w: expected proc at %s", err, h.path(h.proc))
		}
	}
	r := Reading{Namespace: &s.main, File: h.path(path), Data: data, Err: err, Sockets: ownSockets{}}
	if h.root != "" {
		r.Sockets = hostSockets{host: h, ownProc: s.ownProc()}
	}
	return r
}

// ownProc returns where the proc of this process is mounted.
func (s *Source) ownProc() string {
	if s.opts.Root == "" {
		return s.opts.Proc
	}
	return "/proc"
}

func (s *Source) readHostFile(h *host, path string) ([]byte, error) {
	fd, err := h.open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	data, err := s.file.readFD(fd)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: h.path(path), Err: err}
	}
	return data, nil
}
