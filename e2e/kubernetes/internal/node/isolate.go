// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// Isolated says whether this process is the one that Isolate made.
func Isolated() bool { return os.Getpid() == 1 }

// Isolate runs this program again as PID 1 of new namespaces, in cgroups of its own,
// and returns its exit status. When that process ends, or this one, the kernel ends
// everything that it started.
func Isolate() (status int, err error) {
	// The thread that starts a process with Pdeathsig must live as long as this process.
	runtime.LockOSThread()
	hierarchies, err := findHierarchies()
	if err != nil {
		return 0, err
	}
	leave, err := enterCgroups(hierarchies)
	if err != nil {
		return 0, err
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...) //nolint:gosec // this program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP,
		Pdeathsig: syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if err = cmd.Start(); err == nil {
		go func() {
			<-signals
			_ = cmd.Process.Kill() // and the cgroups are removed
		}()
		err = cmd.Wait()
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		err = fmt.Errorf("new namespaces: %w", err)
	} else {
		status, err = cmd.ProcessState.ExitCode(), nil
	}
	return status, errors.Join(err, leave())
}
