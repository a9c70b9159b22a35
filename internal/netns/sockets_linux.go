// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A socket stays in the network namespace of the thread that opened it. It can be
// used and closed elsewhere. As long as it is open, it keeps the namespace alive.

// OpenSocket implements Sockets for the namespace that the thread is in.
func (*nsThread) OpenSocket(protocol int) (int, error) { return openSocket(protocol) }

func openSocket(protocol int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return -1, ErrNoProtocol
	}
	if err != nil {
		return -1, fmt.Errorf("socket(AF_NETLINK): %w", err)
	}
	return fd, nil
}

// ownSockets opens sockets in the namespace of this process.
type ownSockets struct{}

func (ownSockets) OpenSocket(protocol int) (int, error) { return openSocket(protocol) }

// hostSockets opens sockets in the namespace of the host's PID 1.
type hostSockets struct {
	host    *host
	ownProc string
}

func (s hostSockets) OpenSocket(protocol int) (fd int, err error) {
	onThread(s.ownProc, func(t *nsThread) {
		if err = t.enterProcess(s.host, "1"); err == nil {
			fd, err = openSocket(protocol)
		}
	})
	return fd, err
}

// groupSockets opens sockets in the namespace of a group of processes.
type groupSockets struct {
	host   *host
	thread *nsThread
	group  *group
	// inside says that the thread is in the namespace.
	inside bool
}

func (s *groupSockets) OpenSocket(protocol int) (int, error) {
	var err error
	for _, pid := range s.group.pids {
		if s.inside {
			break
		}
		var dir string
		if dir, _, err = s.host.netDirectory(pid); err != nil {
			continue
		}
		if err = s.thread.enterProcess(s.host, dir); err != nil {
			continue
		}
		// The process can have entered another namespace in the meantime.
		inode, identifyErr := s.thread.identify()
		s.inside = identifyErr == nil && inode == s.group.inode
	}
	switch {
	case s.inside:
		return openSocket(protocol)
	case err == nil || isGone(err):
		return -1, ErrGone
	default:
		return -1, err
	}
}

// enterProcess enters the namespace of a process. dir is its directory in the
// host's proc.
func (t *nsThread) enterProcess(h *host, dir string) error {
	if t.original < 0 {
		if err := t.open(); err != nil {
			return err
		}
	}
	path := dir + "/ns/net"
	fd, err := openat(h.procFD, path, unix.O_RDONLY|unix.O_CLOEXEC)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (open %s: %w)", whyOpenRefused(), h.procPath(path), err)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: h.procPath(path), Err: err}
	}
	defer unix.Close(fd)
	if err = t.enter(fd); errors.Is(err, ErrNotPermitted) {
		return ErrSocketNotPermitted
	}
	return err
}
