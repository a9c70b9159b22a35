// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// runTunnels does something to tunnels, and reports what a collector at each end
// says of it.
func runTunnels(steps []traffic.Step) error {
	l, err := lab.New()
	if err != nil {
		return err
	}
	if err := tunnel.Prepare(l); err != nil {
		return err
	}
	here, err := startCollector("here", l.Here, otherNamespaces)
	if err != nil {
		return err
	}
	there, err := startCollector("there", l.There, "")
	if err != nil {
		return err
	}
	t := &tunnels{here: here, there: there}
	t.world = &traffic.World{
		Lab: l, Restart: here.restart, Search: here.search, Start: func() time.Time { return here.start },
		Scrape: func() error { _, err := t.observe(); return err },
		Signal: func(signal unix.Signal) error { return here.cmd.Process.Signal(signal) },
	}
	for _, step := range steps {
		if err := t.run(step); err != nil {
			return fmt.Errorf("%w; here: %s; there: %s", err, tail("here"), tail("there"))
		}
	}
	return nil
}

type tunnels struct {
	here, there *collector
	world       *traffic.World
}

func (t *tunnels) run(step traffic.Step) error {
	before, err := t.observe()
	if err != nil {
		return err
	}
	kernelBefore, err := readKernel()
	if err != nil {
		return err
	}
	begin := time.Now()
	busy := t.here.busy()
	defer func() {
		note("%s: %.0f s, the collector worked for %.1f s", step.Name, time.Since(begin).Seconds(), max(0, t.here.busy()-busy))
	}()
	done := &report.TunnelStep{Name: step.Name, Before: before, Kernel: report.Counters{}}
	if done.Sent, err = step.Run(t.world); err != nil {
		done.Error = err.Error()
	}
	if err := waitForKernel(kernelBefore, step.Kernel); err != nil {
		return err
	}
	if done.After, err = t.observe(); err != nil {
		return err
	}
	for _, c := range []*collector{t.here, t.there} {
		if len(c.broken) > 0 {
			done.Error = fmt.Sprintf("%s; sums fell or starts moved: %q", done.Error, c.broken)
			c.broken = nil
		}
	}
	kernel, err := readKernel()
	if err != nil {
		return err
	}
	for name, value := range kernel {
		if rise := value - kernelBefore[name]; rise != 0 {
			done.Kernel[name] = rise
		}
	}
	done.Log = tail("here")
	tell(report.Line{Tunnel: done})
	if step.Keep {
		return nil
	}
	return t.world.Flush()
}

// waitForKernel waits until the kernel has counted, or for 5 s.
func waitForKernel(before, expect report.Counters) error {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now, err := readKernel()
		if err != nil {
			return err
		}
		if reached(before, now, expect) {
			break
		}
	}
	return nil
}

// observe returns what both collectors say in a scrape that began after the call.
func (t *tunnels) observe() (report.Series, error) {
	begin := time.Now()
	all := report.Series{}
	for _, c := range []*collector{t.here, t.there} {
		series, err := c.since(begin)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, series)
	}
	return all, nil
}

var errNothingScraped = errors.New("nothing was scraped")
