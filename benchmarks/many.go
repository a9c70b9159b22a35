package main

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/xfrmreceiver/xfrmreceiver"
)

// measured is what a scrape of many namespaces costs.
type measured struct {
	namespaces          int
	floor, scrape, omit result
	cpu, omitCPU        time.Duration
	memory, omitMemory  uint64
	floorCPU            time.Duration
}

// many compares a scrape of many namespaces with its floor.
func many(rounds int, floor func(), configure func(*xfrmreceiver.Config)) measured {
	whole := scrape(configure)
	omit := scrape(func(c *xfrmreceiver.Config) {
		configure(c)
		c.OmitZero = true
	})
	m := measured{namespaces: whole().ResourceMetrics().Len() - 1}
	got := compare(rounds, 1, contender{"floor", floor}, contender{"scrape", func() { whole() }}, contender{"omit_zero", func() { omit() }})
	m.floor, m.scrape, m.omit = got[0], got[1], got[2]
	m.floorCPU = cpuOf(rounds, floor)
	m.cpu, m.omitCPU = cpuOf(rounds, func() { whole() }), cpuOf(rounds, func() { omit() })
	m.memory, m.omitMemory = heldBy(whole), heldBy(omit)
	return m
}

// cpuOf is the CPU time of a run, of all threads, kernel included.
func cpuOf(runs int, run func()) time.Duration {
	used := func() time.Duration {
		var u unix.Rusage
		check(unix.Getrusage(unix.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	for range runs {
		run()
	}
	return (used() - before) / time.Duration(runs)
}

// heldBy is the heap that a scrape's metrics hold, until they are exported.
func heldBy(run func() pmetric.Metrics) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	md := run()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(md)
	if after.HeapAlloc < before.HeapAlloc {
		return 0
	}
	return after.HeapAlloc - before.HeapAlloc
}

func (m measured) each(d time.Duration) string {
	return micros(d / time.Duration(max(1, m.namespaces)))
}

func manyHeader(r *report) {
	r.header("namespaces", "floor", "scrape", "of the floor", "with omit_zero", "of the floor", "scrape, each",
		"CPU: floor", "scrape", "omit_zero", "allocated", "omit_zero", "held", "omit_zero")
}

func (m measured) row(r *report, name string) {
	r.row(name, micros(m.floor.median), micros(m.scrape.median), ratio(m.scrape.median, m.floor.median),
		micros(m.omit.median), ratio(m.omit.median, m.floor.median), m.each(m.scrape.median),
		micros(m.floorCPU), micros(m.cpu), micros(m.omitCPU), kib(m.scrape.bytes), kib(m.omit.bytes), kib(m.memory), kib(m.omitMemory))
}

var sizes = []int{1, 100, 1000, 4000}

func rounds(namespaces int) int { return max(11, min(101, 20_000/namespaces)) }

func named(r *report) {
	r.heading("Named namespaces")
	r.text("The floor is a bare loop of open, setns, open, read, close, and home once at the end.\n")
	manyHeader(r)
	buf := make([]byte, 8192)
	var all []measured
	for _, n := range sizes {
		dir, names, remove := mountNamespaces(n)
		m := many(rounds(n), func() { setnsFloor(dir, names, buf) }, func(c *xfrmreceiver.Config) {
			c.NetworkNamespaces.Named.Include = []string{"*"}
			c.NetworkNamespaces.Named.Directories = []string{dir}
		})
		remove()
		m.row(r, fmt.Sprint(n))
		all = append(all, m)
	}
	targets(r, all, "4,000 named namespaces, whole scrape: at most 1.4 of the floor")
}

func processes(r *report) {
	r.heading("Namespaces of processes")
	r.text("The floor lists /proc, stats xfrm_stat of each process, and reads it once for each namespace.\n")
	manyHeader(r)
	buf := make([]byte, 8192)
	configure := func(c *xfrmreceiver.Config) { c.NetworkNamespaces.Processes = true }
	floor := func() { procFloor(buf) }
	var all []measured
	for _, n := range sizes {
		kill := startProcesses(n, 1)
		m := many(rounds(n), floor, configure)
		kill()
		m.row(r, fmt.Sprint(n))
		all = append(all, m)
	}
	for _, n := range []int{1000, 10_000} {
		kill := startProcesses(10, n/10)
		m := many(rounds(n/10), floor, configure)
		kill()
		m.row(r, fmt.Sprintf("10, with %d processes", n))
	}
	targets(r, all, "4,000 namespaces by process: at most 1.4 of the floor")
}

func targets(r *report, all []measured, first string) {
	hundred, most := all[1], all[len(all)-1]
	r.text("\n| target | result |\n|---|---|")
	r.row(first, verdict(most.scrape.median, most.floor.median, 1.4))
	r.row("cost of each at 4,000 against at 100: at most 1.3",
		verdict(most.scrape.median/time.Duration(most.namespaces), hundred.scrape.median/time.Duration(hundred.namespaces), 1.3))
	r.row("memory held with omit_zero: at most a tenth", fmt.Sprintf("%s against %s", kib(most.omitMemory), kib(most.memory)))
}
