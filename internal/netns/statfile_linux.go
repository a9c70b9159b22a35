// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// statFile is the path of the statistics below /proc/PID (net/xfrm/xfrm_proc.c).
	statFile = "net/xfrm_stat"

	// identityFile is a file below /proc/PID that every kernel has
	// (net/core/net-procfs.c). Its inode number identifies the namespace among
	// the living ones.
	identityFile = "net/dev"

	// MaxFileSize bounds what is read of a file, in bytes. 32 counters take at
	// most 1.5 KiB.
	MaxFileSize = 64 << 10
)

var (
	errEmpty    = errors.New("the file is empty, expected a line for each counter")
	errTooLarge = fmt.Errorf("the file has more than %d bytes, expected a line for each counter", MaxFileSize)
)

// fileReader reads small files into one buffer.
type fileReader struct {
	buf []byte
}

// read returns the content of a regular file, valid until the next call. The path
// is relative to the directory dir. Errors do not name the path.
func (r *fileReader) read(dir int, path string) ([]byte, error) {
	// O_NONBLOCK: opening a FIFO must not wait for a writer.
	fd, err := openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return r.readFD(fd)
}

func (r *fileReader) readFD(fd int) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("is a %s, expected a regular file", fileType(st.Mode))
	}
	if r.buf == nil {
		r.buf = make([]byte, 4<<10)
	}
	n := 0
	for {
		if n == len(r.buf) {
			if n > MaxFileSize {
				return nil, errTooLarge
			}
			r.buf = append(r.buf, make([]byte, min(2*n, MaxFileSize+1)-n)...)
		}
		got, err := unix.Read(fd, r.buf[n:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case got == 0 && n == 0:
			return nil, errEmpty
		case got == 0:
			return r.buf[:n], nil
		}
		n += got
	}
}

// inodeOf returns the inode number of a file.
func inodeOf(dir int, path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, path, &st, 0); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

func fileType(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFIFO:
		return "FIFO"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "device"
	default:
		return "special file"
	}
}
