// SPDX-License-Identifier: Apache-2.0

// The guest is /init of a virtual machine: it sets the network up, runs the
// collector, a second collector that receives OTLP, and Prometheus, drops
// packets, and reports on the second serial port what each of them saw. Or it runs
// a collector at each end of tunnels, and does to them what daemons and operators
// do. Whether that is right is for the host to say.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/events"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// The main thread gives the process its /proc/self/net: nothing else may run on
// it.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) > 2 && os.Args[1] == tunnel.EnterCommand {
		fmt.Fprintln(os.Stderr, tunnel.Enter(os.Args[2:]))
		os.Exit(1)
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "this is /init of a virtual machine")
		os.Exit(1)
	}
	if err := boot(); err != nil {
		fmt.Fprintln(os.Stderr, "the guest:", err)
		tell(report.Line{Error: err.Error()})
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func boot() error {
	if err := errors.Join(mount(), os.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")); err != nil {
		return err
	}
	if err := openReport(); err != nil {
		return err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	tell(report.Line{Release: strings.TrimSpace(string(release))})
	if err := loadModules(); err != nil {
		return err
	}
	run, ok := map[string]func() error{
		"counters":            runScenarios,
		"benchmarks":          runBenchmarks,
		"strongswan-mistakes": func() error { return runMistakes(tunnel.StrongSwanMistakes()) },
		"libreswan-mistakes":  func() error { return runMistakes(tunnel.LibreswanMistakes()) },
		"tunnels":             func() error { return runTunnels(traffic.Steps()) },
		"events":              func() error { return runEvents(events.Steps()) },
		"strongswan-events":   func() error { return runEvents(events.StrongSwan()) },
		"stages":              func() error { return runStages(traffic.Stages()) },
		"many":                func() error { return runTunnels(traffic.Many()) },
		"lockdown":            func() error { return runTunnels(traffic.Lockdown()) },
		"strongswan-tunnels":  func() error { return runTunnels(tunnel.StrongSwan()) },
		"libreswan-tunnels":   func() error { return runTunnels(tunnel.Libreswan()) },
	}[os.Args[len(os.Args)-1]]
	if !ok {
		return fmt.Errorf("there is nothing to do called %q", os.Args)
	}
	if err := run(); err != nil {
		return err
	}
	tell(report.Line{Done: true})
	return nil
}

var reportPort *os.File

func openReport() (err error) {
	reportPort, err = os.OpenFile("/dev/ttyS1", os.O_WRONLY|unix.O_NOCTTY, 0)
	return err
}

// tell writes a line of the report.
func tell(line report.Line) {
	content, err := json.Marshal(line)
	if err != nil || reportPort == nil {
		return
	}
	_, _ = reportPort.Write(append(content, '\n'))
}

func note(format string, args ...any) { tell(report.Line{Note: fmt.Sprintf(format, args...)}) }
