// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

const tunnelsConfig = `
receivers:
  xfrm:
    collection_interval: 500ms
    initial_delay: 0s%s
    tunnels: {limit: 200}
    metrics:
      xfrm.policy.count: {enabled: true}
      xfrm.sa.count: {enabled: true}
      xfrm.tunnel.idle_time: {enabled: true}
      xfrm.tunnel.io: {enabled: true}
      xfrm.tunnel.packet.count: {enabled: true}
      xfrm.tunnel.packet.dropped: {enabled: true}
      xfrm.tunnel.sa.age: {enabled: true}
      xfrm.tunnel.sa.count: {enabled: true}
      xfrm.tunnel.sa.created: {enabled: true}
      xfrm.tunnel.sa.lifetime.utilization: {enabled: true}
      xfrm.tunnel.sequence.utilization: {enabled: true}
exporters:
  file:
    path: %s
    append: true
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [file]
`

// otherNamespaces is a part of a configuration.
const otherNamespaces = `
    network_namespaces:
      processes: true
      named:
        include: ["*"]`

// collector is one that reads tunnels, and writes what it reads to a file.
type collector struct {
	name string
	side *lab.Side
	cmd  *exec.Cmd
	// at is how much of the file has been read, rest a line that is not whole.
	at   int64
	rest []byte
	// last are the series of the last scrape, which began at time.
	last report.Series
	time time.Time
	// sums are the last points of the cumulative sums, start the start of one of
	// them, and broken is what a backend would take for a reset.
	sums   map[string]point
	start  time.Time
	broken []string
}

func startCollector(name string, side *lab.Side, config string) (*collector, error) {
	c := &collector{name: name, side: side, sums: map[string]point{}}
	err := os.WriteFile(workDir+"/"+name+".yaml", fmt.Appendf(nil, tunnelsConfig, config, c.file()), 0o600)
	if err != nil {
		return nil, err
	}
	return c, c.launch()
}

func (c *collector) file() string { return workDir + "/" + c.name + ".json" }

func (c *collector) launch() error {
	log, err := os.OpenFile(logFile(c.name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = exec.Command("/bin/otelcol-xfrm", "--config", workDir+"/"+c.name+".yaml") //nolint:gosec // The programs of the initramfs.
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// The child is forked from the calling thread, and so in its namespace.
	return c.side.Do(c.cmd.Start)
}

func (c *collector) restart() error {
	if err := c.cmd.Process.Signal(unix.SIGTERM); err != nil {
		return err
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the collector ended: %w", err)
	}
	// What it still wrote belongs to the sums that end.
	if err := c.read(); err != nil {
		return err
	}
	clear(c.sums)
	return c.launch()
}

// busy returns the seconds of processor time that the collector used.
func (c *collector) busy() float64 {
	content, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	fields := strings.Fields(string(content))
	if len(fields) < 15 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[13], 64)
	system, _ := strconv.ParseFloat(fields[14], 64)
	return (user + system) / 100 // USER_HZ
}

// since waits for a scrape that began after the time, and returns its series.
func (c *collector) since(begin time.Time) (report.Series, error) {
	err := eventually("a scrape of "+c.name, func() (bool, error) {
		if err := c.read(); err != nil {
			return false, err
		}
		return c.time.After(begin), errNothingScraped
	})
	return c.last, err
}

// read takes in the lines that are new.
func (c *collector) read() error {
	file, err := os.Open(c.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(c.at, io.SeekStart); err != nil {
		return err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	c.at += int64(len(content))
	c.rest = append(c.rest, content...)
	for {
		line, rest, whole := bytes.Cut(c.rest, []byte("\n"))
		if !whole {
			return nil
		}
		c.rest = rest
		if err := c.take(line); err != nil {
			return err
		}
	}
}

type attribute struct {
	Key   string
	Value struct{ StringValue, IntValue string }
}

type point struct {
	AsInt             string
	AsDouble          float64
	TimeUnixNano      int64 `json:",string"`
	StartTimeUnixNano int64 `json:",string"`
	Attributes        []attribute
}

func (p point) value() float64 {
	if p.AsInt == "" {
		return p.AsDouble
	}
	value, _ := strconv.ParseFloat(p.AsInt, 64)
	return value
}

func (c *collector) take(line []byte) error {
	var got struct {
		ResourceMetrics []struct {
			Resource     struct{ Attributes []attribute }
			ScopeMetrics []struct {
				Metrics []struct {
					Name string
					Sum  struct {
						DataPoints  []point
						IsMonotonic bool
					}
					Gauge struct{ DataPoints []point }
				}
			}
		}
	}
	if err := json.Unmarshal(line, &got); err != nil {
		return fmt.Errorf("a line of OTLP: %w", err)
	}
	c.last = report.Series{}
	first := int64(0)
	for _, resource := range got.ResourceMetrics {
		namespace := c.name + namespaceName(resource.Resource.Attributes)
		for _, scope := range resource.ScopeMetrics {
			for _, metric := range scope.Metrics {
				for _, p := range append(metric.Sum.DataPoints, metric.Gauge.DataPoints...) {
					c.last[namespace+" "+seriesName(metric.Name, p)] += p.value()
					if metric.Sum.IsMonotonic {
						c.follow(fmt.Sprint(namespace, metric.Name, p.Attributes), p)
					}
					if metric.Name == "xfrm.tunnel.packet.count" && namespace == c.name {
						c.start = time.Unix(0, p.StartTimeUnixNano)
					}
					if first == 0 || p.TimeUnixNano < first {
						first = p.TimeUnixNano
					}
				}
			}
		}
	}
	c.time = time.Unix(0, first)
	return nil
}

// follow notes a sum that falls, and a start that moves.
func (c *collector) follow(name string, p point) {
	before, seen := c.sums[name]
	if seen && (p.StartTimeUnixNano != before.StartTimeUnixNano || p.value() < before.value()) {
		c.broken = append(c.broken, fmt.Sprintf("%s: %g since %d after %g since %d",
			name, p.value(), p.StartTimeUnixNano, before.value(), before.StartTimeUnixNano))
	}
	c.sums[name] = p
}

// namespaceName is what report.Series has behind the side.
func namespaceName(attributes []attribute) string {
	for _, a := range attributes {
		switch a.Key {
		case "netns.name":
			return "/" + a.Value.StringValue
		case "process.pid":
			return "/process"
		}
	}
	return ""
}

// seriesName is the name that report.Series describes.
func seriesName(metric string, p point) string {
	parts := make([]string, 6)
	parts[0] = strings.TrimPrefix(metric, "xfrm.")
	for _, attribute := range p.Attributes {
		switch attribute.Key {
		case "direction":
			parts[1] = attribute.Value.StringValue
		case "reason":
			parts[2] = attribute.Value.StringValue
		case "xfrm.reqid":
			parts[3] = attribute.Value.IntValue
		case "network.interface.name":
			parts[4] = attribute.Value.StringValue
		case "xfrm.mark":
			parts[5] = attribute.Value.StringValue
		}
	}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
}
