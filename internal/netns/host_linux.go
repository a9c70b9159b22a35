// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the file system that is read: that of this process, or a host's that is
// mounted at root. It holds descriptors and lives for one scrape.
type host struct {
	// root is empty for the file system of this process.
	root   string
	rootFD int
	proc   string
	procFD int
	// file reads what proc tells about processes.
	file fileReader
}

// openHost opens the descriptors. The caller closes them.
func openHost(root, proc string) (*host, error) {
	h := &host{root: root, rootFD: unix.AT_FDCWD, proc: proc, procFD: -1}
	if root != "" {
		fd, err := openat(unix.AT_FDCWD, root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: root, Err: err}
		}
		h.rootFD = fd
	}
	fd, err := h.open(proc, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		h.close()
		return nil, err
	}
	h.procFD = fd
	return h, nil
}

func (h *host) close() {
	if h.procFD >= 0 {
		_ = unix.Close(h.procFD)
	}
	if h.root != "" {
		_ = unix.Close(h.rootFD)
	}
}

// path returns where a path of the host is seen from here, for messages.
func (h *host) path(path string) string { return ValidUTF8(filepath.Join(h.root, path)) }

// procPath returns a path below proc, for messages.
func (h *host) procPath(path string) string { return h.path(filepath.Join(h.proc, path)) }

// open opens a path of the host. Links are resolved inside root: a host's
// /var/run -> /run must not lead to the /run of this process.
func (h *host) open(path string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC
	if flags&unix.O_PATH == 0 { // openat2 refuses other flags beside O_PATH
		// Opening a FIFO must not wait for a writer.
		flags |= unix.O_NONBLOCK
	}
	var fd int
	var err error
	if h.root == "" {
		fd, err = openat(unix.AT_FDCWD, path, flags)
	} else {
		fd, err = openat2(h.rootFD, strings.TrimPrefix(path, "/"), flags, unix.RESOLVE_IN_ROOT)
		switch {
		case errors.Is(err, unix.ENOSYS):
			err = fmt.Errorf("%w: root_path needs openat2, that is Linux 5.6 or later", err)
		case errors.Is(err, unix.EPERM):
			err = fmt.Errorf("%w: a seccomp filter that does not know openat2 gives this error "+
				"(Docker before 20.10, libseccomp before 2.5); otherwise a security module refused access", err)
		}
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: h.path(path), Err: err}
	}
	return fd, nil
}

func openat(dir int, path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// maxTries bounds how often openat2 is repeated.
const maxTries = 100

func openat2(dir int, path string, flags int, resolve uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for range maxTries {
		fd, err = unix.Openat2(dir, path, &how)
		// EAGAIN: a rename or mount elsewhere interfered with ".." (openat2(2)).
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
	return -1, err
}

// checkRoot says what is wrong with a root path, and how to mount it.
func checkRoot(root, proc string) error {
	const mount = `mount the host's root file system there with everything below it, for example "-v /:%s:ro,rslave" in Docker`
	h, err := openHost(root, proc)
	if err != nil {
		return fmt.Errorf("expected the host's root file system at %s: %w; "+mount, root, err, root)
	}
	defer h.close()
	one := h.procPath("1")
	// With hidepid=1 the directory can be seen, and not what is in it.
	_, err = inodeOf(h.procFD, "1/net")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be read: %w; %s", one, err, h.whyHidden())
	case h.isProc():
		return fmt.Errorf("%s does not exist although proc is mounted: the processes of other users are hidden by hidepid=2 "+
			"or hidepid=4; mount proc without it, or give the collector the group of its gid option", one)
	default:
		return fmt.Errorf("%s does not exist: expected the host's proc at %s; "+mount, one, h.path(proc), root)
	}
}

// isProc reports whether a proc file system is mounted at all.
func (h *host) isProc() bool { return isFileSystem(h.procFD, unix.PROC_SUPER_MAGIC) }

// isFileSystem reports whether a file is in a file system of this kind.
func isFileSystem(fd int, magic int64) bool {
	var info unix.Statfs_t
	return unix.Fstatfs(fd, &info) == nil && int64(info.Type) == magic //nolint:unconvert // it has 32 bits on some architectures
}
