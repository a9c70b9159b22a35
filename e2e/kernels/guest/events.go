// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/events"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

const eventsConfig = `
receivers:
  xfrm:
    collection_interval: 500ms
    logs: {interval: 500ms}
    metrics:
      xfrm.tunnel.packet.count: {enabled: true}
    events:
      xfrm.mapping.changed: {enabled: true}
      xfrm.policy.changed: {enabled: true}
      xfrm.sa.created: {enabled: true}
exporters:
  file:
    path: %[1]s
    append: true
  file/metrics:
    path: %[1]s.metrics
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    logs:
      receivers: [xfrm]
      exporters: [file]
    metrics:
      receivers: [xfrm]
      exporters: [file/metrics]
`

// settleFor is three intervals of the collector, and the time to write.
const settleFor = 2 * time.Second

// runEvents makes the kernel tell what happens, and reports what the collector
// records.
func runEvents(steps []events.Step) error {
	l, err := lab.New()
	if err != nil {
		return err
	}
	if err := tunnel.Prepare(l); err != nil {
		return err
	}
	if err := lab.EnableAudit(); err != nil {
		return err
	}
	audit, err := lab.ListenToAudit()
	if err != nil {
		return err
	}
	c := &collector{name: "events", side: l.Here}
	if err := os.WriteFile(workDir+"/events.yaml", fmt.Appendf(nil, eventsConfig, c.file()), 0o600); err != nil {
		return err
	}
	if err := c.launch(); err != nil {
		return err
	}
	err = eventually("the collector", func() (bool, error) {
		return bytes.Contains([]byte(tail("events")), []byte("Everything is ready")), nil
	})
	if err != nil {
		return err
	}
	settle := func() { time.Sleep(settleFor) }
	world := &events.World{Lab: l, Search: c.search, Settle: settle, Audit: audit, Collector: func() int { return c.cmd.Process.Pid }}
	for _, step := range steps {
		settle()
		if _, err := c.records(); err != nil {
			return err
		}
		before, err := readKernel()
		if err != nil {
			return err
		}
		done := &report.EventStep{Name: step.Name, Kernel: report.Counters{}}
		if err := step.Run(world); err != nil {
			done.Error = err.Error()
		}
		settle()
		if done.Records, err = c.records(); err != nil {
			return err
		}
		after, err := readKernel()
		if err != nil {
			return err
		}
		for name, value := range after {
			if rise := value - before[name]; rise != 0 {
				done.Kernel[name] = rise
			}
		}
		done.Log = tail("events")
		tell(report.Line{Event: done})
		if err := l.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// records returns the log records since the last call.
func (c *collector) records() ([]report.Record, error) {
	content, err := os.ReadFile(c.file())
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	whole := bytes.LastIndexByte(content, '\n') + 1
	lines := content[c.at:whole]
	c.at = int64(whole)
	var all []report.Record
	for line := range bytes.Lines(lines) {
		var got struct {
			ResourceLogs []struct {
				ScopeLogs []struct {
					LogRecords []struct {
						EventName, SeverityText string
						Body                    struct{ StringValue string }
						Attributes              []struct {
							Key   string
							Value struct {
								StringValue, IntValue string
								BoolValue             bool
							}
						}
					}
				}
			}
		}
		if err := json.Unmarshal(line, &got); err != nil {
			return nil, fmt.Errorf("a line of OTLP: %w", err)
		}
		for _, resource := range got.ResourceLogs {
			for _, scope := range resource.ScopeLogs {
				for _, r := range scope.LogRecords {
					one := report.Record{Event: r.EventName, Severity: r.SeverityText, Body: r.Body.StringValue, Attributes: map[string]string{}}
					for _, a := range r.Attributes {
						value := a.Value.StringValue + a.Value.IntValue
						if a.Key == "xfrm.hard" {
							value = strconv.FormatBool(a.Value.BoolValue)
						}
						one.Attributes[a.Key] = value
					}
					all = append(all, one)
				}
			}
		}
	}
	return all, nil
}
