// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

const collectorConfig = `
receivers:
  xfrm:
    collection_interval: 300ms
    initial_delay: 0s
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:4317
    tls:
      insecure: true
  prometheus:
    endpoint: 127.0.0.1:9464
    without_scope_info: true
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [otlp_grpc, prometheus]
`

const sinkConfig = `
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
exporters:
  file:
    path: ` + sinkFile + `
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [file]
`

const prometheusConfig = `
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
scrape_configs:
  - job_name: xfrm
    static_configs:
      - targets: [127.0.0.1:9464]
`

// observers are those who watch the collector, and the kernel's own file.
type observers struct {
	otlp sink
	last report.Snapshot
}

// startObservers starts the collector beside the kernel that drops, and those
// who receive from it. All runs in the namespace of the main thread.
func startObservers() (*observers, error) {
	for name, content := range map[string]string{
		"collector.yaml": collectorConfig, "sink.yaml": sinkConfig, "prometheus.yaml": prometheusConfig,
	} {
		if err := os.WriteFile(filepath.Join(workDir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	for _, program := range [][]string{
		{"sink", "/bin/otelcol-xfrm", "--config", workDir + "/sink.yaml"},
		{
			"prometheus", "/bin/prometheus", "--config.file=" + workDir + "/prometheus.yaml", "--storage.tsdb.path=" + workDir + "/prometheus",
			"--web.listen-address=127.0.0.1:9090", "--log.level=warn",
		},
		{"collector", "/bin/otelcol-xfrm", "--config", workDir + "/collector.yaml"},
	} {
		if err := start(program[0], program[1:]...); err != nil {
			return nil, err
		}
	}
	o := &observers{}
	snapshot, err := o.observe()
	if err != nil {
		return nil, fmt.Errorf("%w; collector: %s; sink: %s; Prometheus: %s",
			err, tail("collector"), tail("sink"), tail("prometheus"))
	}
	o.last = snapshot
	return o, nil
}

// observe waits until everybody has seen a scrape that began after the call, and
// one more, and returns what they saw then.
func (o *observers) observe() (got report.Snapshot, err error) {
	begin := time.Now()
	err = eventually("two scrapes over OTLP", func() (bool, error) {
		after, values, err := o.otlp.since(begin)
		got.OTLP = values
		return after >= 2, err
	})
	if err != nil {
		return got, err
	}
	// The first of the two scrapes has reached all exporters.
	between := time.Now()
	err = eventually("Prometheus", func() (bool, error) {
		at, values, err := queryPrometheus()
		got.Prometheus = values
		return err == nil && at.After(between), err
	})
	if err != nil {
		return got, err
	}
	got.Kernel, err = readKernel()
	return got, err
}

// step does something and reports what that did to the counters, and what confirm
// returns then, if it is not nil. expect is only how long to wait: until the kernel
// has counted that much, or for 5 s.
func (o *observers) step(name string, expect report.Counters, do func() error, confirm func() map[string]string) error {
	step := &report.Step{Name: name, Before: o.last}
	switch err := do(); {
	case errors.Is(err, lab.ErrRefused):
		step.Refused, expect = true, nil
	case err != nil:
		step.Error = err.Error()
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		now, err := readKernel()
		if err != nil {
			return err
		}
		if reached(o.last.Kernel, now, expect) {
			break
		}
	}
	if confirm != nil {
		step.Confirmed = confirm()
	}
	after, err := o.observe()
	if err != nil {
		return err
	}
	step.After, o.last = after, after
	tell(report.Line{Step: step})
	return nil
}

func reached(before, now, expect report.Counters) bool {
	for name, delta := range expect {
		if now[name] < before[name]+delta {
			return false
		}
	}
	return true
}
