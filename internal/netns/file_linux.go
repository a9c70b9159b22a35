package netns

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// statFile is the file's name in /proc/PID/net (net/xfrm/xfrm_proc.c).
	statFile = "xfrm_stat"

	// MaxFileSize bounds what is read of a file, in bytes. 32 counters take at
	// most 1.5 KiB.
	MaxFileSize = 64 << 10
)

var (
	errEmpty    = errors.New("the file is empty, expected a line for each counter")
	errTooLarge = fmt.Errorf("the file has more than %d bytes, expected a line for each counter", MaxFileSize)
)

// fileReader reads small files into a buffer that it keeps. It makes the system
// calls itself: package os would register each descriptor with the poller and
// allocate.
type fileReader struct {
	buf []byte
}

// read returns the content of the file at path, relative to the directory dir,
// valid until the next call, and its inode number. Errors are bare.
func (r *fileReader) read(dir int, path string) (data []byte, inode uint64, err error) {
	// O_NONBLOCK: opening a FIFO must not wait for its writer.
	fd, err := openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK)
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(fd)
	return r.readFD(fd)
}

// readBare is read without a look at what kind of file it is.
func (r *fileReader) readBare(path string) ([]byte, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return r.readToEnd(fd)
}

// readFD is read of an open file.
func (r *fileReader) readFD(fd int) ([]byte, uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, 0, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, st.Ino, fmt.Errorf("is a %s, expected a regular file", fileType(st.Mode))
	}
	data, err := r.readToEnd(fd)
	return data, st.Ino, err
}

func (r *fileReader) readToEnd(fd int) ([]byte, error) {
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
