package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot is the clock in which /proc tells when a process started.
func sinceBoot() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, fmt.Errorf("clock_gettime(CLOCK_BOOTTIME): %w", err)
	}
	return time.Duration(now.Nano()), nil
}

// scan is what one walk over proc found.
type scan struct {
	// groups by the inode number of xfrm_stat, which tells living namespaces apart.
	groups map[uint64]*group
	// hidden are processes that could be seen and not read.
	hidden int
}

// scanProcesses finds the namespaces in which visible processes live. A zombie
// lives in none.
func scanProcesses(ctx context.Context, h *host) (*scan, error) {
	begun, err := sinceBoot()
	if err != nil {
		return nil, err
	}
	pids, err := listProcesses(h)
	if err != nil {
		return nil, err
	}
	found := &scan{groups: make(map[uint64]*group)}
	for _, pid := range pids {
		if ctx.Err() != nil {
			return nil, ErrUnread
		}
		var st unix.Stat_t
		err := unix.Fstatat(h.procFD, strconv.Itoa(pid)+"/net/"+statFile, &st, 0)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrPermission):
			found.hidden++
			continue
		default: // it has ended, or is a zombie
			continue
		}
		g := found.groups[st.Ino]
		if g == nil {
			g = &group{file: st.Ino, scanned: begun}
			found.groups[st.Ino] = g
		}
		g.pids = append(g.pids, pid)
	}
	return found, nil
}

// listProcesses returns the PIDs that can be seen, sorted.
func listProcesses(h *host) ([]int, error) {
	// A descriptor of its own, as each has one place in the directory.
	fd, err := openat(h.procFD, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: h.path(h.proc), Err: err}
	}
	dir := os.NewFile(uintptr(fd), h.path(h.proc))
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// start is when a process started, since boot; false if it has ended.
func (h *host) start(pid int) (time.Duration, bool) {
	content, err := h.readProcess(pid, "stat")
	if err != nil {
		return 0, false
	}
	start, err := parseProcessStart(content)
	return start, err == nil
}

// directory is the inode number of a process's directory, or 0 if it has ended.
func (h *host) directory(pid int) uint64 {
	var st unix.Stat_t
	if unix.Fstatat(h.procFD, strconv.Itoa(pid), &st, 0) != nil {
		return 0
	}
	return st.Ino
}

// cgroup is the pod and the container of a process.
func (h *host) cgroup(pid int) (podUID, containerID string) {
	content, err := h.readProcess(pid, "cgroup")
	if err != nil {
		return "", ""
	}
	return parseCgroup(content)
}

func (h *host) readProcess(pid int, name string) ([]byte, error) {
	content, _, err := h.file.read(h.procFD, strconv.Itoa(pid)+"/"+name)
	return content, err
}
