package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the file system that is read: this process's own, or a host's that is
// mounted at root. It holds descriptors and lives for one scrape.
type host struct {
	// root is empty for this process's own.
	root   string
	rootFD int
	proc   string
	procFD int
	// file reads what /proc tells of processes.
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

// path is where a path of the host is seen from here, for messages.
func (h *host) path(path string) string { return filepath.Join(h.root, path) }

// open opens a path of the host. Links are resolved inside root: a host's
// /var/run -> /run must not lead into this process's own /run.
func (h *host) open(path string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC
	if flags&unix.O_PATH == 0 { // with which openat2 allows no other flag
		// Opening a FIFO must not wait for its writer.
		flags |= unix.O_NONBLOCK
	}
	var fd int
	var err error
	if h.root == "" {
		fd, err = openat(unix.AT_FDCWD, path, flags)
	} else {
		fd, err = openat2(h.rootFD, strings.TrimPrefix(path, "/"), flags, unix.RESOLVE_IN_ROOT)
	}
	if errors.Is(err, unix.ENOSYS) {
		err = fmt.Errorf("%w: a root path needs openat2, that is Linux 5.6 or later", err)
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

func openat2(dir int, path string, flags int, resolve uint64) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for {
		fd, err := unix.Openat2(dir, path, &how)
		// EAGAIN: a rename elsewhere kept the kernel from being sure (openat2(2)).
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

// checkRoot says at the start what is wrong with a root path, and how to mount.
func checkRoot(root, proc string) error {
	const mount = `mount the host's root file system there with all that is below it, for example "-v /:%s:ro,rslave" in Docker`
	h, err := openHost(root, proc)
	if err != nil {
		return fmt.Errorf("expected a host's root file system at %s: %w; "+mount, root, err, root)
	}
	defer h.close()
	one := filepath.Join(h.path(proc), "1")
	// Its net is asked for too: with hidepid=1 the directory alone can be seen.
	var st unix.Stat_t
	err = unix.Fstatat(h.procFD, "1/net", &st, 0)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be read: %w; is proc mounted with hidepid=1? "+
			"Mount it without, or give the collector the group of its gid option", one, err)
	case h.isProc():
		return fmt.Errorf("%s does not exist although proc is mounted: the PIDs of other users are hidden by hidepid=2 "+
			"or hidepid=4; mount it without, or give the collector the group of its gid option", one)
	default:
		return fmt.Errorf("%s does not exist: expected the host's proc at %s; "+mount, one, h.path(proc), root)
	}
}

// isProc reports whether a proc is mounted at all.
func (h *host) isProc() bool { return isFileSystem(h.procFD, unix.PROC_SUPER_MAGIC) }
