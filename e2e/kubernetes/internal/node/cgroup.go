// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroups = "/sys/fs/cgroup"

// hierarchy is a mounted hierarchy of cgroups, version 1 or 2.
type hierarchy struct {
	// mountPoint is below or at /sys/fs/cgroup.
	mountPoint, filesystem, options string
	// own is the directory of this process.
	own string
}

// findHierarchies finds those that are mounted in /sys/fs/cgroup.
func findHierarchies() (found []hierarchy, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	memberships, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		mount, filesystem := strings.Fields(before), strings.Fields(after)
		if !strings.HasPrefix(mount[4], cgroups) || !strings.HasPrefix(filesystem[0], "cgroup") {
			continue
		}
		h := hierarchy{mountPoint: mount[4], filesystem: filesystem[0]}
		for membership := range strings.Lines(string(memberships)) {
			// cgroups(7): hierarchy:controllers:path
			fields := strings.SplitN(strings.TrimSuffix(membership, "\n"), ":", 3)
			controllers := fields[1]
			first, _, _ := strings.Cut(controllers, ",")
			if controllers == "" && h.filesystem == "cgroup2" || slices.Contains(strings.Split(filesystem[2], ","), first) {
				h.options, h.own = controllers, filepath.Join(h.mountPoint, fields[2])
				break
			}
		}
		if h.own == "" {
			return nil, fmt.Errorf("no cgroup of this process in %s", h.mountPoint)
		}
		found = append(found, h)
	}
	if len(found) == 0 {
		return nil, errors.New("no cgroups in " + cgroups)
	}
	return found, nil
}

// enterCgroups moves this process into new cgroups, below those that it is in. leave
// moves it back and removes them, with all cgroups that were created in them.
func enterCgroups(hierarchies []hierarchy) (leave func() error, err error) {
	name := fmt.Sprintf("xfrm-e2e-kubernetes-%d", os.Getpid())
	leave = func() (err error) {
		for _, h := range hierarchies {
			err = errors.Join(err, join(h.own), removeCgroup(filepath.Join(h.own, name)))
		}
		return err
	}
	for _, h := range hierarchies {
		directory := filepath.Join(h.own, name)
		err := os.Mkdir(directory, 0o750)
		// Only version 1 of cpuset lets a cgroup begin without any CPU.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if content, missing := os.ReadFile(filepath.Join(h.own, file)); missing == nil && h.filesystem == "cgroup" {
				err = errors.Join(err, os.WriteFile(filepath.Join(directory, file), content, 0))
			}
		}
		if err = errors.Join(err, join(directory)); err != nil {
			return nil, errors.Join(err, leave())
		}
	}
	return leave, nil
}

func join(cgroup string) error {
	return os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

// removeCgroup removes a cgroup and those in it. Processes that were killed may need
// a moment to leave it.
func removeCgroup(cgroup string) (err error) {
	for range 100 {
		var directories []string
		err = filepath.WalkDir(cgroup, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				directories = append(directories, path)
			}
			return err
		})
		for _, directory := range slices.Backward(directories) {
			err = errors.Join(err, syscall.Rmdir(directory))
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// mountCgroups mounts the hierarchies again, as the new cgroup namespace shows them.
func mountCgroups(hierarchies []hierarchy) error {
	if hierarchies[0].mountPoint != cgroups {
		if err := mount("tmpfs", cgroups, "tmpfs", ""); err != nil {
			return err
		}
	}
	for _, h := range hierarchies {
		if err := os.MkdirAll(h.mountPoint, 0o750); err != nil {
			return err
		}
		options := h.options
		if strings.HasPrefix(options, "name=") {
			options = "none," + options
		}
		if err := mount("cgroup", h.mountPoint, h.filesystem, options); err != nil {
			return err
		}
	}
	if hierarchies[0].mountPoint == cgroups {
		return delegate()
	}
	return nil
}

// delegate lets cgroups of version 2 be created with all controllers. A cgroup that
// hands on controllers may have no process.
func delegate() error {
	inner := filepath.Join(cgroups, "init")
	if err := errors.Join(os.Mkdir(inner, 0o750), join(inner)); err != nil {
		return err
	}
	controllers, err := os.ReadFile(filepath.Join(cgroups, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for controller := range bytes.FieldsSeq(controllers) {
		if err := os.WriteFile(filepath.Join(cgroups, "cgroup.subtree_control"), append([]byte("+"), controller...), 0); err != nil {
			return err
		}
	}
	return nil
}
