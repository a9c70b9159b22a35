package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// exporter is a program that Prometheus scrapes by HTTP.
type exporter struct {
	name string
	args []string
	url  string

	cmd   *exec.Cmd
	first time.Duration
	rest  int
	times []time.Duration
	cpu   time.Duration
}

const collectorConfig = `
receivers:
  xfrm:
    collection_interval: 10s
    initial_delay: 0s
exporters:
  prometheus:
    endpoint: 127.0.0.1:19464
    without_scope_info: true
service:
  telemetry:
    logs: { level: error }
    metrics: { level: none }
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [prometheus]
`

// exporters compares the collector with node_exporter: one HTTP scrape, memory,
// size, and the time to the first answered scrape.
func exporters(r *report, collector, nodeExporter string) {
	dir := must(os.MkdirTemp("", "xfrm-bench-"))
	defer func() { check(os.RemoveAll(dir)) }()
	config := filepath.Join(dir, "config.yaml")
	check(os.WriteFile(config, []byte(collectorConfig), 0o600))
	both := []*exporter{
		{name: "collector with xfrmreceiver", args: []string{collector, "--config", config}, url: "http://127.0.0.1:19464/metrics"},
		{
			name: "node_exporter 1.12.1, xfrm collector only",
			args: []string{nodeExporter, "--collector.disable-defaults", "--collector.xfrm", "--web.disable-exporter-metrics", "--web.listen-address=127.0.0.1:19100", "--log.level=error"},
			url:  "http://127.0.0.1:19100/metrics",
		},
	}
	for _, e := range both {
		e.start()
	}
	time.Sleep(3 * time.Second)
	for _, e := range both {
		e.rest = e.resident()
	}
	client := &http.Client{}
	const rounds, batch = 30, 100
	for round := range rounds {
		for k := range both {
			e := both[(k+round)%len(both)]
			before := e.cpuTime()
			begin := time.Now()
			for range batch {
				get(client, e.url)
			}
			e.times = append(e.times, time.Since(begin)/batch)
			e.cpu += e.cpuTime() - before
		}
	}
	r.heading("The collector and node_exporter")
	r.text("The collector reads at its own interval and answers a scrape with what it read last; node_exporter reads at each scrape.\n")
	r.header("what", both[0].name, both[1].name)
	row := func(what string, f func(*exporter) any) { r.row(what, f(both[0]), f(both[1])) }
	row("one scrape by HTTP, median", func(e *exporter) any {
		slices.Sort(e.times)
		return micros(e.times[len(e.times)/2])
	})
	row("CPU of one scrape", func(e *exporter) any { return micros(e.cpu / (rounds * batch)) })
	row("resident at rest", func(e *exporter) any { return fmt.Sprintf("%.1f MiB", float64(e.rest)/1024) })
	row("resident under load", func(e *exporter) any { return fmt.Sprintf("%.1f MiB", float64(e.resident())/1024) })
	row("binary", func(e *exporter) any {
		return fmt.Sprintf("%.1f MiB", float64(must(os.Stat(e.args[0])).Size())/(1<<20))
	})
	row("start to the first answered scrape with series", func(e *exporter) any { return micros(e.first) })
	row("series of xfrm on this kernel", func(e *exporter) any { return countSeries(get(client, e.url)) })
	for _, e := range both {
		check(e.cmd.Process.Kill())
		_ = e.cmd.Wait()
	}
	runtime.KeepAlive(client)
}

func (e *exporter) start() {
	e.cmd = exec.Command(e.args[0], e.args[1:]...)
	e.cmd.Stderr = os.Stderr
	begin := time.Now()
	check(e.cmd.Start())
	for end := begin.Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		resp, err := http.Get(e.url)
		if err != nil {
			continue
		}
		body := must(io.ReadAll(resp.Body))
		check(resp.Body.Close())
		if bytes.Contains(body, []byte("xfrm_")) {
			e.first = time.Since(begin)
			return
		}
	}
	panic(e.name + " does not answer")
}

// countSeries counts the series of XFRM: xfrm_packet_dropped_total ours,
// node_xfrm_* node_exporter's.
func countSeries(metrics []byte) int {
	count := 0
	for line := range bytes.Lines(metrics) {
		if bytes.HasPrefix(line, []byte("xfrm_")) || bytes.HasPrefix(line, []byte("node_xfrm_")) {
			count++
		}
	}
	return count
}

func get(client *http.Client, url string) []byte {
	resp, err := client.Get(url)
	check(err)
	defer func() { check(resp.Body.Close()) }()
	return must(io.ReadAll(resp.Body))
}

// resident is in KiB.
func (e *exporter) resident() int {
	status := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))))
	_, rest, _ := strings.Cut(status, "VmRSS:")
	return must(strconv.Atoi(strings.Fields(rest)[0]))
}

// cpuTime is what the program has used so far, to 1 ns (schedstat of its threads).
func (e *exporter) cpuTime() time.Duration {
	var total time.Duration
	for _, file := range must(filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", e.cmd.Process.Pid))) {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		total += time.Duration(must(strconv.ParseInt(strings.Fields(string(content))[0], 10, 64)))
	}
	return total
}
