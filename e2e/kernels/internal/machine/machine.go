// SPDX-License-Identifier: Apache-2.0

// Package machine boots a kernel in QEMU, emulated and without a network.
package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Guest is what to boot.
type Guest struct {
	Kernel, Initramfs string
	// Arg is handed to /init, Parameters to the kernel.
	Arg, Parameters string
	Timeout         time.Duration
}

// Result is what a guest left.
type Result struct {
	Lines []report.Line
	// Console is what the kernel and the guest printed.
	Console string
}

// Boot runs a guest until it powers off. dir takes the two serial ports' files:
// the first is the console, the second the report.
func Boot(dir string, g Guest) (*Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.Timeout)
	defer cancel()
	console, reported := filepath.Join(dir, "console"), filepath.Join(dir, "report")
	// One CPU: with two, threads of TCG now and then see half of an instruction that
	// the kernel is patching, and the guest dies of an int3.
	// no_timer_check: on a busy host the kernel now and then takes the emulated timer
	// for broken, and panics.
	//nolint:gosec // The paths are the test's own.
	cmd := exec.CommandContext(ctx, "nice", "qemu-system-x86_64",
		"-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "2048",
		"-nic", "none", "-nodefaults", "-display", "none", "-no-reboot",
		"-serial", "file:"+console, "-serial", "file:"+reported,
		"-kernel", g.Kernel, "-initrd", g.Initramfs,
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/init no_timer_check lsm=bpf "+g.Parameters+" -- "+g.Arg)
	out, err := cmd.CombinedOutput()
	result := &Result{}
	if content, err := os.ReadFile(console); err == nil {
		result.Console = strings.ReplaceAll(string(content), "\r", "")
	}
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("the guest did not end within %s", g.Timeout)
	case err != nil:
		err = fmt.Errorf("qemu: %w: %s", err, out)
	}
	content, readErr := os.ReadFile(reported)
	if readErr != nil {
		return result, errors.Join(err, readErr)
	}
	for line := range bytes.Lines(content) {
		var parsed report.Line
		if jsonErr := json.Unmarshal(line, &parsed); jsonErr != nil {
			return result, errors.Join(err, fmt.Errorf("a line of the report: %w: %q", jsonErr, line))
		}
		result.Lines = append(result.Lines, parsed)
	}
	if n := len(result.Lines); err == nil && (n == 0 || !result.Lines[n-1].Done) {
		err = errors.New("the guest ended before it was done")
	}
	return result, err
}
