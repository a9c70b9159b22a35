// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"golang.org/x/sys/unix"
)

// listMounts lists the selected files, by directory and name. Problems concern
// whole directories. listed holds what was last found in each: a directory that
// cannot be listed for once has not lost its namespaces. If they were forgotten, their
// series would begin anew in the next scrape.
func (h *host) listMounts(named Named, listed map[string][]*mount) (mounts []*mount, problems []Reading) {
	if len(named.Include) == 0 {
		return nil, nil
	}
	directories := named.Directories
	if len(directories) == 0 {
		directories = []string{DefaultDirectory}
	}
	for _, dir := range directories {
		found, err := h.listDirectory(named, dir)
		if err != nil {
			problems = append(problems, Reading{File: h.path(dir), Err: err})
			if !errors.Is(err, ErrNoDirectory) {
				found = listed[dir]
			}
		}
		listed[dir] = found
		mounts = append(mounts, found...)
	}
	return mounts, problems
}

func (h *host) listDirectory(named Named, path string) ([]*mount, error) {
	fd, err := h.open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoDirectory
	}
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(fd), h.path(path))
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var mounts []*mount
	for _, name := range names {
		if !named.matches(name) {
			continue
		}
		// The times of a link itself are used: those behind /proc/PID/ns/net move.
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue // it is gone
		}
		m := &mount{name: name, path: filepath.Join(path, name), id: mountIDOf(&st)}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
		case unix.S_IFLNK:
			m.link = true
		default:
			m.err = fmt.Errorf("%w: it is a %s", ErrNotNamespace, fileType(st.Mode))
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// openNamespace opens a mount for setns. The descriptor keeps the namespace alive:
// the caller closes it at once after use. The file is examined before it is
// opened, because opening a device or a FIFO can have effects.
func (h *host) openNamespace(m *mount) (int, error) {
	fd, err := h.openPath(m)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	if !isFileSystem(fd, unix.NSFS_MAGIC) {
		return -1, ErrNotNamespace
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, err
	}
	if !m.link && m.id != mountIDOf(&st) {
		return -1, fs.ErrNotExist // something else has the name now; the next scrape lists it
	}
	opened, err := openat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: h.path(m.path), Err: err}
	}
	return opened, nil
}

// openPath opens a mount without the right to read, which examines it only.
func (h *host) openPath(m *mount) (int, error) {
	fd, err := h.open(m.path, unix.O_PATH)
	if !errors.Is(err, unix.EXDEV) {
		return fd, err
	}
	// RESOLVE_IN_ROOT does not follow the links in proc, because they leave the
	// root. A link to the namespace of a process of the host is opened through
	// the host's proc.
	target := h.readLink(m.path)
	if process := processNamespace.FindStringSubmatch(target); process != nil && h.proc == "/proc" {
		fd, err := openat(h.procFD, process[1], unix.O_PATH|unix.O_CLOEXEC)
		if err != nil {
			err = &fs.PathError{Op: "open", Path: h.procPath(process[1]), Err: err}
		}
		return fd, err
	}
	return -1, fmt.Errorf("%w, to %q; expected a bind mount, or a link to /proc/PID/ns/net or to another file below root_path",
		ErrOutsideRoot, ValidUTF8(target))
}

// processNamespace matches what a link to the namespace of a process says.
var processNamespace = regexp.MustCompile(`^/proc/([1-9][0-9]*(?:/task/[1-9][0-9]*)?/ns/net)$`)

// readLink returns what a symbolic link says, or nothing.
func (h *host) readLink(path string) string {
	dir, err := h.open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return ""
	}
	defer unix.Close(dir)
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, filepath.Base(path), buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

func mountIDOf(st *unix.Stat_t) mountID {
	return mountID{device: uint64(st.Dev), inode: st.Ino, changed: st.Ctim.Nano()} //nolint:unconvert // it has 32 bits on some architectures
}
