// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// start starts a program in the background. What it prints goes to
// NAME.log.
func start(name string, args ...string) error {
	log, err := os.Create(logFile(name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec // The programs of the initramfs.
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { note("%s ended: %v: %s", name, cmd.Wait(), tail(name)) }()
	return nil
}

func logFile(name string) string { return filepath.Join(workDir, name+".log") }

// output is what a command prints, and how it ended if that was no success.
func output(command string) string {
	args := strings.Fields(command)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput() //nolint:gosec // The runbook's commands.
	if err != nil {
		out = fmt.Appendf(out, "%v\n", err)
	}
	return string(out)
}

// tail is the end of what a program printed.
func tail(name string) string {
	content, _ := os.ReadFile(logFile(name))
	return string(content[max(0, len(content)-2000):])
}

// patience is for how long to wait for anything. Emulation is slow, and the
// machine may do other work.
const patience = 60 * time.Second

// eventually polls until condition says yes.
func eventually(what string, condition func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		ok, err := condition()
		if ok {
			return nil
		}
		if err == nil {
			err = errors.New("it does not come")
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: not within %s: %w", what, patience, err)
		}
	}
}
