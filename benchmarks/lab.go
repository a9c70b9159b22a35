// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// The main goroutine keeps the main thread to itself: the runtime ends threads that
// changed their namespace, which it cannot do with the main one.
func init() { runtime.LockOSThread() }

// mountNamespaces mounts n named namespaces in a new directory.
func mountNamespaces(n int) (dir string, names []string, remove func()) {
	dir = must(os.MkdirTemp("", "xfrm-bench-"))
	for i := range n {
		names = append(names, fmt.Sprintf("ns-%05d", i))
	}
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(done)
		for _, name := range names {
			path := filepath.Join(dir, name)
			check(os.WriteFile(path, nil, 0o600))
			check(unix.Unshare(unix.CLONE_NEWNET))
			check(unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""))
		}
	}()
	<-done
	return dir, names, func() {
		for _, name := range names {
			check(unix.Unmount(filepath.Join(dir, name), unix.MNT_DETACH))
		}
		check(os.RemoveAll(dir))
	}
}

// startProcesses starts a process that sleeps in each of n new network namespaces,
// and in a cgroup that is named like a container's: the receiver bounds the number
// of namespaces that it knows only by a process.
func startProcesses(n int) (kill func()) {
	hierarchy := must(os.MkdirTemp("", "xfrm-bench-"))
	check(unix.Mount("none", hierarchy, "cgroup2", 0, ""))
	parent := must(os.MkdirTemp(hierarchy, "xfrm-bench-"))
	var started []*exec.Cmd
	var cgroups []string
	done := make(chan struct{})
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		// Pdeathsig follows the thread, and a child lives in the thread's namespace.
		runtime.LockOSThread()
		defer close(stopped)
		for i := range n {
			check(unix.Unshare(unix.CLONE_NEWNET))
			cgroup := filepath.Join(parent, fmt.Sprintf("%064x", i))
			check(os.Mkdir(cgroup, 0o700))
			cgroups = append(cgroups, cgroup)
			fd := must(unix.Open(cgroup, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
			cmd := exec.Command("sleep", "3600")
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, UseCgroupFD: true, CgroupFD: fd}
			check(cmd.Start())
			check(unix.Close(fd))
			started = append(started, cmd)
		}
		close(done)
		<-stop
		for _, cmd := range started {
			_ = cmd.Process.Kill()
		}
		for _, cmd := range started {
			_ = cmd.Wait()
		}
	}()
	<-done
	return func() {
		close(stop)
		<-stopped
		for _, cgroup := range append(cgroups, parent) {
			check(os.Remove(cgroup))
		}
		check(unix.Unmount(hierarchy, unix.MNT_DETACH))
		check(os.Remove(hierarchy))
	}
}
