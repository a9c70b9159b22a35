package main

import (
	"os"
	"path/filepath"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// one compares what one namespace costs.
func one(r *report) {
	buf := make([]byte, 8192)
	data := must(os.ReadFile(statFile))
	var parser xfrmstat.Parser
	var counters []xfrmstat.Counter
	proc := must(procfs.NewFS("/proc"))

	// procfs parses only what it reads itself: the file's bytes in memory (tmpfs,
	// or whatever the temporary directory is), less what reading them costs.
	copied := must(os.MkdirTemp("", "xfrm-bench-"))
	defer func() { check(os.RemoveAll(copied)) }()
	check(os.MkdirAll(filepath.Join(copied, "net"), 0o700))
	file := filepath.Join(copied, "net", "xfrm_stat")
	check(os.WriteFile(file, data, 0o600))
	copiedFS := must(procfs.NewFS(copied))

	whole := scrape(nil)
	const (
		floor = iota
		read
		scraped
		peer
		parsed
		peerCopy
		copyFloor
	)
	got := compare(61, 300,
		contender{"floor: open, read to the end, close", func() { readFloor(unix.AT_FDCWD, statFile, buf) }},
		contender{"our reader and parser", readAndParse()},
		contender{"our whole scrape, to finished pmetric.Metrics", func() { whole() }},
		contender{"procfs NewXfrmStat (read and parse)", func() { must(proc.NewXfrmStat()) }},
		contender{"our parsing alone", func() { counters, _ = parser.Parse(counters[:0], data) }},
		contender{"procfs on a copy in memory", func() { must(copiedFS.NewXfrmStat()) }},
		contender{"floor of that copy", func() { readFloor(unix.AT_FDCWD, file, buf) }},
	)
	r.heading("One namespace")
	r.header("what", "median", "fastest", "of the floor", "allocations", "bytes")
	for _, g := range got {
		r.row(g.name, micros(g.median), micros(g.fastest), ratio(g.median, got[floor].median), g.allocations, g.bytes)
	}
	peerParsing := got[peerCopy].median - got[copyFloor].median
	r.text("\nprocfs' parsing alone is its time on the copy less the copy's floor: %s. Ours is %s, that is 1/%.0f of it; allocations %d against %d.",
		micros(peerParsing), micros(got[parsed].median), float64(peerParsing)/float64(got[parsed].median), got[parsed].allocations, got[peer].allocations)
	r.text("\n| target | result |\n|---|---|")
	r.row("parse: no allocation, at most 1/10 of procfs' parsing", verdict(got[parsed].median*10, peerParsing, 1))
	r.row("read and parse: at most 1.1 of the floor", verdict(got[read].median, got[floor].median, 1.1))
	r.row("whole scrape: at most 1.4 of the floor", verdict(got[scraped].median, got[floor].median, 1.4))
	r.row("whole scrape: faster than procfs merely reading and parsing", verdict(got[scraped].median, got[peer].median, 1))
}
