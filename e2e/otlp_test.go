// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"iter"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// otlpSink is an independent OTLP receiver: a second collector that writes what
// it gets into a file.
type otlpSink struct {
	t       *testing.T
	file    string
	process *process
}

const otlpSinkConfig = `
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:4317
        max_recv_msg_size_mib: 64
exporters:
  file:
    path: ${env:SINK_FILE}
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [otlp]
      exporters: [file]
`

// newOTLPSink starts the sink on 127.0.0.1:4317 of the namespace.
func newOTLPSink(t *testing.T, ns *namespace) *otlpSink {
	t.Helper()
	sink := &otlpSink{t: t, file: filepath.Join(t.TempDir(), "otlp.json")}
	cmd := ns.command(program(t, "OTELCOL_XFRM"), "--config", writeFile(t, "sink.yaml", otlpSinkConfig))
	cmd.Env = append(os.Environ(), "SINK_FILE="+sink.file)
	sink.process = run(t, cmd)
	// What is sent before it listens would be sent again later, out of order.
	require.Eventually(t, func() bool {
		return ns.do(func() error {
			conn, err := net.Dial("tcp", "127.0.0.1:4317")
			if err == nil {
				_ = conn.Close()
			}
			return err
		}) == nil
	}, slow, 10*time.Millisecond, "the sink does not start")
	return sink
}

// scrapes are all that arrived, each one scrape of the receiver.
func (s *otlpSink) scrapes() []pmetric.Metrics {
	s.t.Helper()
	content, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(s.t, err)
	var all []pmetric.Metrics
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		md, err := (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics(line)
		require.NoError(s.t, err)
		if md.DataPointCount() > 0 {
			all = append(all, md)
		}
	}
	return all
}

// next waits for a scrape that began after the call. They can arrive out of order.
func (s *otlpSink) next() pmetric.Metrics {
	s.t.Helper()
	now := pcommon.NewTimestampFromTime(time.Now())
	var got pmetric.Metrics
	require.Eventually(s.t, func() bool {
		for _, md := range s.scrapes() {
			if oldestPoint(md) > now {
				got = md
				return true
			}
		}
		return false
	}, slow, 20*time.Millisecond, "no OTLP arrives")
	return got
}

// oldestPoint is the time of the first point that a scrape read.
func oldestPoint(md pmetric.Metrics) pcommon.Timestamp {
	oldest := pcommon.NewTimestampFromTime(time.Now())
	for _, dp := range points(md, "") {
		oldest = min(oldest, dp.Timestamp())
	}
	return oldest
}

// firstPoint is one of a drop counter.
func firstPoint(md pmetric.Metrics) (first pmetric.NumberDataPoint) {
	for _, dp := range points(md, "xfrm.packet.dropped") {
		return dp
	}
	return first
}

// points are those of a metric, or of all if the name is empty, with the attributes of
// their resources.
func points(md pmetric.Metrics, name string) iter.Seq2[pcommon.Map, pmetric.NumberDataPoint] {
	return func(yield func(pcommon.Map, pmetric.NumberDataPoint) bool) {
		for _, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					if name != "" && m.Name() != name {
						continue
					}
					for _, dp := range m.Sum().DataPoints().All() {
						if !yield(rm.Resource().Attributes(), dp) {
							return
						}
					}
				}
			}
		}
	}
}

// series are the values of a scrape by resource attributes, direction and
// reason, as "netns.name=a inbound/no_states".
func series(t *testing.T, md pmetric.Metrics) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	for attributes, dp := range points(md, "xfrm.packet.dropped") {
		key := labels(attributes) + point(dp.Attributes())
		require.NotContains(t, got, key, "two series are alike")
		got[key] = dp.IntValue()
	}
	return got
}

func point(attributes pcommon.Map) string {
	direction, _ := attributes.Get("direction")
	reason, _ := attributes.Get("reason")
	return direction.AsString() + "/" + reason.AsString()
}

func labels(attributes pcommon.Map) string {
	var all []string
	for key, value := range attributes.All() {
		all = append(all, key+"="+value.AsString()+" ")
	}
	sort.Strings(all)
	return strings.Join(all, "")
}
