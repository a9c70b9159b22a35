// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// now returns the time since boot, on the clock by which proc tells when a process
// started.
func now() (ticks, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("clock_gettime(CLOCK_BOOTTIME): %w", err)
	}
	return ticks(t.Nano() / (1e9 / ticksPerSecond)), nil
}

// listGroups finds the namespaces of all visible processes, by inode number. The
// error is ErrHidden if some processes cannot be seen; the others are returned.
func (h *host) listGroups(ctx context.Context) (map[uint64]*group, error) {
	scanned, err := now()
	if err != nil {
		return nil, err
	}
	pids, err := h.listNumbers(".")
	if err != nil {
		return nil, err
	}
	groups := make(map[uint64]*group)
	hidden := h.isProc() && (len(pids) == 0 || pids[0] != 1)
	for _, pid := range pids {
		if ctx.Err() != nil {
			return nil, ErrUnread
		}
		_, inode, err := h.netDirectory(pid)
		if err != nil {
			hidden = hidden || errors.Is(err, fs.ErrPermission)
			continue // hidden, or it has ended
		}
		g := groups[inode]
		if g == nil {
			g = &group{inode: inode, scanned: scanned}
			groups[inode] = g
		}
		g.pids = append(g.pids, pid)
	}
	if hidden {
		return groups, fmt.Errorf("%w: %s", ErrHidden, h.whyHidden())
	}
	return groups, nil
}

// netDirectory returns the directory of a process that shows its namespace, and
// the inode number that identifies that. It is /proc/PID, or /proc/PID/task/TID
// where the first thread has ended and others live: /proc/PID/net is then empty.
func (h *host) netDirectory(pid int) (string, uint64, error) {
	dir := strconv.Itoa(pid)
	inode, err := inodeOf(h.procFD, dir+"/"+identityFile)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return dir, inode, err
	}
	threads, listErr := h.listNumbers(dir + "/task")
	if listErr != nil {
		return "", 0, err
	}
	for _, tid := range threads {
		if tid == pid {
			continue
		}
		thread := fmt.Sprintf("%s/task/%d", dir, tid)
		if inode, err := inodeOf(h.procFD, thread+"/"+identityFile); err == nil {
			return thread, inode, nil
		}
	}
	return "", 0, err
}

// listNumbers returns the names in a directory of proc that are numbers, sorted.
func (h *host) listNumbers(path string) ([]int, error) {
	fd, err := openat(h.procFD, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: h.procPath(path), Err: err}
	}
	dir := os.NewFile(uintptr(fd), h.procPath(path))
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(names))
	for _, name := range names {
		if number, err := strconv.Atoi(name); err == nil && number > 0 {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// start implements processes.
func (h *host) start(pid int) (ticks, bool) {
	content, err := h.file.read(h.procFD, strconv.Itoa(pid)+"/stat")
	if isGone(err) {
		return 0, false
	}
	if err != nil {
		return unknownStart, true
	}
	start, err := parseProcessStart(content)
	if err != nil {
		return unknownStart, true
	}
	return start, true
}

// cgroup implements processes.
func (h *host) cgroup(pid int) owner {
	content, err := h.file.read(h.procFD, strconv.Itoa(pid)+"/cgroup")
	if err != nil {
		return owner{}
	}
	return parseCgroup(content)
}

// isGone reports whether an error of reading below /proc/PID means that the
// process has ended or, with ENXIO, that its namespace is being taken down.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENXIO)
}

// readGroup reads xfrm_stat through the first process that is still in the
// namespace and can be read, and returns the path; no path if there is none.
func (h *host) readGroup(g *group, file *fileReader) (path string, data []byte, err error) {
	for _, pid := range g.pids {
		dir, inode, netErr := h.netDirectory(pid)
		if netErr != nil || inode != g.inode {
			continue
		}
		data, readErr := file.read(h.procFD, dir+"/"+statFile)
		// The process can have entered another namespace in the meantime.
		if inode, netErr := inodeOf(h.procFD, dir+"/"+identityFile); netErr != nil || inode != g.inode {
			continue
		}
		path = h.procPath(dir + "/" + statFile)
		switch {
		case readErr == nil:
			return path, data, nil
		case isGone(readErr):
			err = ErrNoStatistics
		default:
			err = &fs.PathError{Op: "read", Path: path, Err: readErr}
		}
	}
	return path, nil, err
}
