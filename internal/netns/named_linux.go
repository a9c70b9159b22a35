package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// place is where a bind mount is.
type place struct {
	name string
	// path of the file, on the host, below the directory as configured.
	path string
}

// bind is a file that may be a namespace's bind mount.
type bind struct {
	place
	// also are further mounts of the same namespace, for when the first goes
	// before it is opened.
	also []place
	id   bindID
	// link says that id is that of a symbolic link, not of the mount behind it.
	link bool

	// What entering the namespace gave: xfrm_stat, its inode number, or err.
	data []byte
	file uint64
	err  error
}

// listNamed lists the chosen files of the directories, by directory and name.
// Each namespace is listed once, by its first name. problems are about whole
// directories.
func listNamed(h *host, named Named) (binds []*bind, problems []Reading) {
	directories := named.Directories
	if len(directories) == 0 {
		directories = []string{DefaultDirectory}
	}
	listed := make(map[bindID]*bind)
	for _, dir := range directories {
		found, err := listDirectory(h, named, dir)
		if err != nil {
			problems = append(problems, Reading{File: h.path(dir), Err: err})
		}
		for _, b := range found {
			if first := listed[b.id]; first != nil {
				first.also = append(first.also, b.place)
				continue
			}
			listed[b.id] = b
			binds = append(binds, b)
		}
	}
	return binds, problems
}

func listDirectory(h *host, named Named, path string) ([]*bind, error) {
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
	var binds []*bind
	for _, name := range names {
		if !named.matches(name) {
			continue
		}
		b := &bind{place: place{name: name, path: filepath.Join(path, name)}}
		// A link's own times are taken: those behind /proc/PID/ns/net move.
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue // it has gone
		}
		b.id = bindID{inode: st.Ino, ctime: st.Ctim.Nano()}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
		case unix.S_IFLNK:
			b.link = true
		default:
			b.err = fmt.Errorf("%w: it is a %s", ErrNoNamespace, fileType(st.Mode))
		}
		binds = append(binds, b)
	}
	return binds, nil
}

// openNamespace opens a bind mount, or what may be one, at the first place where
// it still is: setns says whether it is one. The descriptor keeps the namespace
// alive: the caller closes it at once after use.
func (h *host) openNamespace(b *bind) (int, error) {
	for {
		fd, err := h.openPlace(b)
		if !errors.Is(err, fs.ErrNotExist) || len(b.also) == 0 {
			return fd, err
		}
		b.place, b.also = b.also[0], b.also[1:]
	}
}

func (h *host) openPlace(b *bind) (int, error) {
	fd, err := h.open(b.path, unix.O_RDONLY)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			// RESOLVE_IN_ROOT follows no link into proc, which would leave the root.
			return -1, fmt.Errorf("%w: it is a link that cannot be followed below the root path", ErrNoNamespace)
		}
		if errors.Is(err, fs.ErrPermission) && !h.isNamespace(b) {
			// The mount point that a failed delete leaves behind has mode 0.
			return -1, ErrNoNamespace
		}
		return -1, err
	}
	var st unix.Stat_t
	switch {
	case unix.Fstat(fd, &st) != nil:
		err = fs.ErrNotExist
	case !b.link && b.id != bindID{inode: st.Ino, ctime: st.Ctim.Nano()}:
		err = fs.ErrNotExist // another has its name meanwhile; the next scrape lists that
	default:
		return fd, nil
	}
	_ = unix.Close(fd)
	return -1, err
}

// isNamespace reports whether a bind mount is one, without opening it to read.
func (h *host) isNamespace(b *bind) bool {
	fd, err := h.open(b.path, unix.O_PATH)
	if err != nil {
		return true // so that the first error stands
	}
	defer unix.Close(fd)
	return isFileSystem(fd, unix.NSFS_MAGIC)
}

// isFileSystem reports whether a file lies in a file system of this kind.
func isFileSystem(fd int, magic int64) bool {
	var info unix.Statfs_t
	return unix.Fstatfs(fd, &info) == nil && int64(info.Type) == magic //nolint:unconvert // it has 32 bits on some architectures
}
