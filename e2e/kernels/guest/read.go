// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// readKernel reads the counters of the main thread's namespace.
func readKernel() (report.Counters, error) { return lab.ReadCounters("/proc/net/xfrm_stat") }

const sinkFile = workDir + "/otlp.json"

// sink reads what the second collector wrote: one export request a line.
type sink struct {
	at    int64
	lines []byte
	// times are those of the scrapes so far, values those of the last.
	times  []time.Time
	values report.Counters
}

// request is the part of OTLP/JSON that is looked at.
type request struct {
	ResourceMetrics []struct {
		ScopeMetrics []struct {
			Metrics []struct {
				Name string
				Sum  struct {
					DataPoints []struct {
						AsInt        int64 `json:",string"`
						TimeUnixNano int64 `json:",string"`
						Attributes   []struct {
							Key   string
							Value struct{ StringValue string }
						}
					}
				}
			}
		}
	}
}

// since returns how many scrapes were later than begin, and the last one's
// values.
func (s *sink) since(begin time.Time) (int, report.Counters, error) {
	if err := s.read(); err != nil {
		return 0, nil, err
	}
	after := 0
	for _, t := range s.times {
		if t.After(begin) {
			after++
		}
	}
	return after, s.values, nil
}

// read takes in the lines that are new.
func (s *sink) read() error {
	file, err := os.Open(sinkFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Seek(s.at, io.SeekStart); err != nil {
		return err
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	s.at += int64(len(content))
	s.lines = append(s.lines, content...)
	for {
		line, rest, whole := bytes.Cut(s.lines, []byte("\n"))
		if !whole {
			return nil
		}
		s.lines = rest
		if err := s.take(line); err != nil {
			return err
		}
	}
}

func (s *sink) take(line []byte) error {
	var got request
	if err := json.Unmarshal(line, &got); err != nil {
		return fmt.Errorf("a line of OTLP: %w", err)
	}
	values, at := report.Counters{}, int64(0)
	for _, resource := range got.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, metric := range scope.Metrics {
				if metric.Name != "xfrm.packet.dropped" {
					continue
				}
				for _, point := range metric.Sum.DataPoints {
					labels := map[string]string{}
					for _, attribute := range point.Attributes {
						labels[attribute.Key] = attribute.Value.StringValue
					}
					values[labels["direction"]+"/"+labels["reason"]] = point.AsInt
					at = point.TimeUnixNano
				}
			}
		}
	}
	s.values = values
	s.times = append(s.times, time.Unix(0, at))
	return nil
}

// queryPrometheus asks for all series, and when the oldest of them was scraped.
func queryPrometheus() (time.Time, report.Counters, error) {
	times, err := query("timestamp(xfrm_packet_dropped_total)")
	if err != nil {
		return time.Time{}, nil, err
	}
	values, err := query("xfrm_packet_dropped_total")
	if err != nil {
		return time.Time{}, nil, err
	}
	// After a scrape that failed all series are stale, and the answer is empty.
	if len(values) == 0 || len(values) != len(times) {
		return time.Time{}, nil, errors.New("no current series in Prometheus")
	}
	oldest, got := time.Now(), report.Counters{}
	for key, seconds := range times {
		if t := time.UnixMicro(int64(seconds * 1e6)); t.Before(oldest) {
			oldest = t
		}
		got[key] = int64(values[key])
	}
	return oldest, got, nil
}

var client = &http.Client{Timeout: 20 * time.Second}

// query evaluates an expression now.
func query(expression string) (map[string]float64, error) {
	resp, err := client.Get("http://127.0.0.1:9090/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("the answer of Prometheus: %w", err)
	}
	got := map[string]float64{}
	for _, sample := range answer.Data.Result {
		value, _ := sample.Value[1].(string)
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("a sample of Prometheus: %w", err)
		}
		got[sample.Metric["direction"]+"/"+sample.Metric["reason"]] = number
	}
	return got, nil
}
