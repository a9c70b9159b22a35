// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// readMain reads the main namespace, and notes the inode number that identifies
// it.
func (s *Source) readMain(h *host) Reading {
	dir := h.mainDirectory()
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
	return Reading{Namespace: &s.main, File: h.path(path), Data: data, Err: err, Sockets: s.mainSockets(h)}
}

func (s *Source) mainSockets(h *host) Sockets {
	if h.root == "" || s.isInMain(h) {
		return ownSockets{}
	}
	return hostSockets{host: h, ownProc: s.ownProc()}
}

// isInMain reports whether this process is in the main namespace, as a container in
// the host's network is. To enter it takes capabilities.
func (s *Source) isInMain(h *host) bool {
	inode, err := inodeOf(h.procFD, h.mainDirectory()+"/"+identityFile)
	own, ownErr := inodeOf(unix.AT_FDCWD, s.ownProc()+"/self/"+identityFile)
	return err == nil && ownErr == nil && inode == own
}

// Main is what can be done in the main namespace.
type Main struct {
	Sockets
	host *host
}

// ReadFile reads a file of /proc/PID/net of the namespace, up to 4 MiB.
func (m Main) ReadFile(name string) ([]byte, error) {
	const maxSize = 4 << 20
	path := m.host.mainDirectory() + "/net/" + name
	fd, err := openat(m.host.procFD, path, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: m.host.procPath(path), Err: err}
	}
	file := os.NewFile(uintptr(fd), m.host.procPath(path))
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxSize))
}

// InMain calls f with the main namespace. What it is passed is valid until it
// returns.
func (s *Source) InMain(f func(Main) error) error {
	h, err := openHost(s.opts.Root, s.opts.Proc)
	if err != nil {
		return err
	}
	defer h.close()
	return f(Main{Sockets: s.mainSockets(h), host: h})
}

// mainDirectory returns the directory in proc that shows the main namespace. The
// main thread of this process never changes its namespace. (/proc/net is a link to
// the same directory, which a proc mounted with subset=pid lacks.) The host's
// namespace is that of the host's PID 1.
func (h *host) mainDirectory() string {
	if h.root != "" {
		return "1"
	}
	return "self"
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
