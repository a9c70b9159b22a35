// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/promtool"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// moment is a stage in the time of the test, in which a Prometheus scrapes once a
// minute. Nothing but the time between two stages is made up.
type moment struct {
	*report.Stage
	// first and last are minutes.
	first, last int
	// served are the series that Prometheus would have.
	served map[string]sample
	// sums are what the kernel counted until then, as the sums over all associations
	// that there were.
	sums map[direction]sum
}

// sample is one of a series.
type sample struct {
	labels model.Metric
	value  float64
	// time is when it was scraped, in seconds since 1970.
	time float64
}

// direction is one of a tunnel at a side.
type direction struct {
	side     string
	reqid    int
	outbound bool
}

// sum is what the kernel says of the associations of one direction.
type sum struct {
	bytes, packets, replayed, late, forged float64
	// What follows is of the associations that there are.
	count, sequence, created float64
}

// targets are how Prometheus reaches the collectors.
var targets = map[string]string{"here": "10.0.0.1:9464", "there": "10.0.0.2:9464"}

func layOut(t *testing.T, stages []*report.Stage) (moments []*moment) {
	t.Helper()
	minute := 0
	type identity struct {
		side string
		spi  int
		out  bool
	}
	all := map[identity]report.Association{}
	for i, stage := range traffic.Stages() {
		require.Greater(t, len(stages), i, "the guest did not come to it")
		require.Equal(t, stage.Name, stages[i].Name)
		m := &moment{Stage: stages[i], first: minute, last: minute + stage.Minutes - 1, served: map[string]sample{}, sums: map[direction]sum{}}
		minute += stage.Minutes
		for side, packed := range m.Served {
			m.scrape(t, targets[side], packed)
		}
		for _, a := range m.Kernel {
			all[identity{a.Side, a.SPI, a.Outbound}] = a
		}
		// Nothing is sent between the last look at an association and its end.
		for _, a := range all {
			s := m.sums[direction{a.Side, a.Reqid, a.Outbound}]
			s.bytes += float64(a.Bytes)
			s.packets += float64(a.Packets)
			s.replayed += float64(a.Replay)
			s.late += float64(a.ReplayWindow)
			s.forged += float64(a.Failed)
			m.sums[direction{a.Side, a.Reqid, a.Outbound}] = s
		}
		for _, a := range m.Kernel {
			s := m.sums[direction{a.Side, a.Reqid, a.Outbound}]
			s.count++
			s.sequence = max(s.sequence, float64(a.Sequence))
			s.created = max(s.created, float64(a.Created))
			m.sums[direction{a.Side, a.Reqid, a.Outbound}] = s
		}
		moments = append(moments, m)
	}
	return moments
}

// scrape takes in what a target serves.
func (m *moment) scrape(t *testing.T, instance string, packed []byte) {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	require.NoError(t, err)
	text, err := io.ReadAll(reader)
	require.NoError(t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	require.NoError(t, err)
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := model.Metric{model.MetricNameLabel: model.LabelValue(name), "job": "xfrm", "instance": model.LabelValue(instance)}
			for _, label := range metric.GetLabel() {
				name := model.LabelName(label.GetName())
				if labels[name] != "" {
					name = model.ExportedLabelPrefix + name
				}
				labels[name] = model.LabelValue(label.GetValue())
			}
			m.served[labels.String()] = sample{labels, metric.GetUntyped().GetValue(), float64(metric.GetTimestampMs()) / 1000}
		}
	}
	up := model.Metric{model.MetricNameLabel: "up", "job": "xfrm", "instance": model.LabelValue(instance)}
	m.served[up.String()] = sample{labels: up, value: 1}
}

// written are all moments in the notation of promtool.
func written(moments []*moment) (all []promtool.Series) {
	names := map[string]bool{}
	for _, m := range moments {
		for name, s := range m.served {
			// TestDashboard has drops. Here they only cost time.
			if s.labels[model.MetricNameLabel] != "xfrm_packet_dropped_total" {
				names[name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var values []string
		there := false
		for _, m := range moments {
			s, served := m.served[name]
			minutes := m.last - m.first + 1
			if there && !served {
				// As Prometheus does when a target does not serve it any more.
				values, minutes = append(values, "stale"), minutes-1
			}
			switch {
			case served:
				values = append(values, fmt.Sprintf("%sx%d", strconv.FormatFloat(s.value, 'f', -1, 64), minutes-1))
			case minutes > 0:
				values = append(values, fmt.Sprintf("_x%d", minutes))
			}
			there = served
		}
		all = append(all, promtool.Series{Series: name, Values: strings.Join(values, " ")})
	}
	return all
}
