package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

func main() {
	out := flag.String("o", "", "file to write the report to; default: the terminal")
	collector := flag.String("collector", "", "the built collector, to be compared with node_exporter")
	nodeExporter := flag.String("node-exporter", "", "node_exporter")
	flag.Parse()
	done := make(chan struct{})
	go func() { // the main goroutine's thread is the main one
		defer close(done)
		r := run(*collector, *nodeExporter)
		if *out == "" {
			fmt.Print(r)
			return
		}
		check(os.WriteFile(*out, []byte(r), 0o600))
	}()
	<-done
}

func run(collector, nodeExporter string) string {
	r := new(report)
	r.text("# Performance\n")
	r.text("Made by `make bench`, on a machine with %d cores (%s), Linux %s, %s, on %s. Times are medians of contenders that ran in turn in one process; "+
		"such machines are noisy, so only the ratios within one table mean something.",
		runtime.NumCPU(), cpuModel(), kernelVersion(), runtime.Version(),
		time.Now().UTC().Format(time.DateOnly))
	for _, section := range []func(*report){one, named, processes} {
		section(r)
	}
	if collector != "" && nodeExporter != "" {
		exporters(r, collector, nodeExporter)
	}
	r.text("%s", must(os.ReadFile("notes.md")))
	return r.String()
}

// kernelVersion is without what a machine's builder adds to it.
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
