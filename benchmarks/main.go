// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// few and many are the numbers of namespaces that are compared.
const few, many = 100, 4000

func main() {
	out := flag.String("o", "", "file to write the report to; default: the terminal")
	guest := flag.String("guest", "", "file with what -established printed in a guest")
	only := flag.Bool("established", false, "measure established security associations alone; the kernel must have ESP")
	flag.Parse()
	done := make(chan struct{})
	go func() { // the main goroutine's thread is the main one
		defer close(done)
		if *only {
			r := new(report)
			establishedAssociations(r)
			fmt.Print(r)
			return
		}
		r := run(*guest)
		if *out == "" {
			fmt.Print(r)
			return
		}
		check(os.WriteFile(*out, []byte(r), 0o600))
	}()
	<-done
}

func run(guest string) string {
	r := new(report)
	r.text("# Performance")
	r.text("`make bench` wrote this page on a machine with %d cores (%s), Linux %s, %s, on %s.",
		runtime.NumCPU(), cpuModel(), kernelVersion(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	r.text("All contenders run in turn in one process. Each figure is the lowest of several rounds. CPU is the time of all threads,\n" +
		"in user space and in the kernel, and of the programs that a contender runs. The figures depend on the machine, so compare\n" +
		"only figures of the same table.")
	r.text("A scrape is one of a running receiver, from the end of its interval until its consumer has the metrics.\n" +
		"It includes the work of the Collector's scraper controller.")
	parsing(r)
	oneNamespace(r)
	buf := make([]byte, 8192)
	manyNamespaces(r, "Named namespaces",
		"The floor opens each namespace, enters it with `setns`, opens, reads and closes the file, and returns home once at the end.",
		func(n int) (floor func(), configure func(*xfrmreceiver.Config), remove func()) {
			dir, names, remove := mountNamespaces(n)
			return func() { setnsFloor(dir, names, buf) }, func(c *xfrmreceiver.Config) {
				c.NetworkNamespaces.Named.Include = []string{"*"}
				c.NetworkNamespaces.Named.Directories = []string{dir}
			}, remove
		})
	manyNamespaces(r, "Namespaces of processes",
		"Each namespace has one process, in a cgroup named like that of a container. The floor lists `/proc`, calls `stat` on the\n"+
			"file of each process, and reads one file for each namespace.",
		func(n int) (floor func(), configure func(*xfrmreceiver.Config), remove func()) {
			kill := startProcesses(n)
			return func() { procFloor(buf) }, func(c *xfrmreceiver.Config) { c.NetworkNamespaces.Processes = true }, kill
		})
	larvalAssociations(r)
	copyGuest(r, guest)
	emission(r)
	r.text("---")
	r.text("[Contents](README.md)")
	return r.String()
}

// parsing compares the parser with that of procfs, which parses only what it reads
// itself: from a copy of the file, less the cost of reading the copy.
func parsing(r *report) {
	data := must(os.ReadFile(statFile))
	dir := must(os.MkdirTemp("", "xfrm-bench-"))
	defer func() { check(os.RemoveAll(dir)) }()
	check(os.Mkdir(filepath.Join(dir, "net"), 0o700))
	file := filepath.Join(dir, "net", "xfrm_stat")
	check(os.WriteFile(file, data, 0o600))
	fs := must(procfs.NewFS(dir))
	var parser xfrmstat.Parser
	var counters []xfrmstat.Counter

	costs := compare(15, 10_000,
		contender{"xfrmreceiver", func() { counters, _ = parser.Parse(counters[:0], data) }},
		contender{"procfs, with reading", func() { must(fs.NewXfrmStat()) }},
		contender{"reading alone", func() { readWithOS(file) }},
	)
	ours, peer, reading := costs[0], costs[1], costs[2]
	r.heading("Parsing")
	r.text("procfs parses only what it reads itself. It reads a copy on disk here; the cost of reading the copy is taken off for the ratio.")
	r.costs(costs)
	r.budget(
		limit{"allocations", float64(ours.allocations), 0},
		limit{"CPU, of procfs' parsing", ratio(ours.cpu, peer.cpu-reading.cpu), 0.5},
	)
}

// oneNamespace compares a whole scrape with that of a collector for Prometheus.
func oneNamespace(r *report) {
	buf := make([]byte, 8192)
	scrape, shutdown := startReceiver(func(*xfrmreceiver.Config) {})
	defer shutdown()
	registry := newExporter()
	costs := compare(15, 2000,
		contender{"xfrmreceiver, to finished pdata", func() { scrape() }},
		contender{"procfs and client_golang", func() { must(registry.Gather()) }},
		contender{"floor: open, read, close", func() { readFloor(unix.AT_FDCWD, statFile, buf) }},
	)
	r.heading("One namespace")
	r.text("The second contender does what node_exporter's `xfrm` collector does: it reads and parses with procfs, and client_golang\n" +
		"gathers the metrics. This is not the cost of a whole node_exporter, which also serves the metrics over HTTP.")
	r.costs(costs)
	r.budget(limit{"CPU, of procfs and client_golang", ratio(costs[0].cpu, costs[1].cpu), 1})
}

// manyNamespaces compares scrapes of namespaces that prepare makes with their floor.
func manyNamespaces(r *report, title, about string, prepare func(n int) (floor func(), configure func(*xfrmreceiver.Config), remove func())) {
	r.heading(title)
	r.text("%s", about)
	each := map[int][]time.Duration{}
	var costs []cost
	for _, n := range []int{few, many} {
		floor, configure, remove := prepare(n)
		scrape, shutdown := startReceiver(configure)
		scrapeOmitting, shutdownOmitting := startReceiver(func(c *xfrmreceiver.Config) {
			configure(c)
			c.OmitZero = true
		})
		found := scrape().ResourceMetrics().Len() - 1 // less the main one
		if found < n {
			panic(fmt.Sprintf("%d namespaces found, expected %d", found, n))
		}
		got := compare(9, many/n,
			contender{fmt.Sprintf("%d namespaces: floor", n), floor},
			contender{fmt.Sprintf("%d namespaces: xfrmreceiver", n), func() { scrape() }},
			contender{fmt.Sprintf("%d namespaces: xfrmreceiver, `omit_zero`", n), func() { scrapeOmitting() }},
		)
		shutdown()
		shutdownOmitting()
		remove()
		costs = append(costs, got...)
		for _, c := range got {
			each[n] = append(each[n], c.cpu/time.Duration(found))
		}
	}
	r.costs(costs)
	r.budget(
		limit{fmt.Sprintf("CPU of %d, of the floor", many), ratio(each[many][1], each[many][0]), 3.5},
		limit{fmt.Sprintf("CPU of %d with `omit_zero`, of the floor", many), ratio(each[many][2], each[many][0]), 2.5},
		limit{fmt.Sprintf("CPU of each of %d, of each of %d", many, few), ratio(each[many][1], each[few][1]), 1.3},
		limit{fmt.Sprintf("CPU of each of %d with `omit_zero`, of each of %d", many, few), ratio(each[many][2], each[few][2]), 1.3},
	)
}

// kernelVersion leaves out the suffix of the machine's builder.
func kernelVersion() string {
	version, _, _ := strings.Cut(strings.TrimSpace(string(must(os.ReadFile("/proc/sys/kernel/osrelease")))), "-")
	return version
}

func cpuModel() string {
	for line := range bytes.Lines(must(os.ReadFile("/proc/cpuinfo"))) {
		if name, model, ok := bytes.Cut(line, []byte(":")); ok && strings.TrimSpace(string(name)) == "model name" {
			return strings.TrimSpace(string(model))
		}
	}
	return runtime.GOARCH
}
