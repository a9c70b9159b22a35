// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// The main goroutine keeps the main thread to itself: tests throw threads away,
// which that one cannot be.
func init() { runtime.LockOSThread() }

// harness is a running receiver and everything that it emits. It scrapes when next
// is called.
type harness struct {
	t        *testing.T
	receiver receiver.Metrics
	ticks    chan time.Time
	scraped  chan pmetric.Metrics
	// begun says that the scrape at the start was returned.
	begun bool
	logs  *observer.ObservedLogs
	tel   *componenttest.Telemetry
}

func start(t *testing.T, cfg *Config, source source) *harness {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	h := &harness{
		t: t, logs: logs, tel: componenttest.NewTelemetry(),
		ticks: make(chan time.Time), scraped: make(chan pmetric.Metrics, 1),
	}
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = h.tel.NewTelemetrySettings()
	set.Logger = zap.New(core)
	cfg.InitialDelay = 0
	next, err := consumer.NewMetrics(func(_ context.Context, md pmetric.Metrics) error {
		h.scraped <- md
		return nil
	})
	require.NoError(t, err)
	h.receiver, err = newReceiver(set, cfg, source, next, scraperhelper.WithTickerChannel(h.ticks))
	require.NoError(t, err)
	require.NoError(t, h.receiver.Start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		h.stop()
		require.NoError(t, h.tel.Shutdown(context.Background()))
	})
	return h
}

func (h *harness) stop() {
	if h.receiver != nil {
		require.NoError(h.t, h.receiver.Shutdown(context.Background()))
		h.receiver = nil
	}
}

// next scrapes and returns what was emitted.
func (h *harness) next() pmetric.Metrics {
	h.t.Helper()
	if h.begun {
		h.ticks <- time.Now()
	}
	h.begun = true
	select {
	case md := <-h.scraped:
		return md
	case <-time.After(10 * time.Second):
		require.Fail(h.t, "no scrape")
		return pmetric.Metrics{}
	}
}

// errors are the error messages in the log.
func (h *harness) errors() []string {
	var all []string
	for _, entry := range h.logs.FilterLevelExact(zapcore.ErrorLevel).All() {
		all = append(all, entry.ContextMap()["error"].(string))
	}
	return all
}

// values are the points of the main namespace, or of the only one: for example
// "inbound/no_states" and its value.
func values(t *testing.T, md pmetric.Metrics) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	for _, dp := range dropped(md) {
		key := name(dp)
		require.NotContains(t, got, key)
		got[key] = dp.IntValue()
	}
	return got
}

func name(dp pmetric.NumberDataPoint) string {
	direction, _ := dp.Attributes().Get("direction")
	reason, _ := dp.Attributes().Get("reason")
	return direction.AsString() + "/" + reason.AsString()
}

// dropped are the points of xfrm.packet.dropped of all namespaces.
func dropped(md pmetric.Metrics) []pmetric.NumberDataPoint {
	var all []pmetric.NumberDataPoint
	for _, rm := range md.ResourceMetrics().All() {
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() == "xfrm.packet.dropped" {
				for _, dp := range metric.Sum().DataPoints().All() {
					all = append(all, dp)
				}
			}
		}
	}
	return all
}

// count is the value of xfrm.netns.count, which stands on the last resource, that
// of the main namespace.
func count(t *testing.T, md pmetric.Metrics) int64 {
	t.Helper()
	rm := md.ResourceMetrics().At(md.ResourceMetrics().Len() - 1)
	assert.Zero(t, rm.Resource().Attributes().Len())
	metric := rm.ScopeMetrics().At(0).Metrics().At(0)
	require.Equal(t, "xfrm.netns.count", metric.Name())
	require.Equal(t, 1, metric.Sum().DataPoints().Len())
	return metric.Sum().DataPoints().At(0).IntValue()
}

// errored is the receiver's otelcol_scraper_errored_metric_points.
func (h *harness) errored() int64 {
	h.t.Helper()
	got, err := h.tel.GetMetric("otelcol_scraper_errored_metric_points")
	require.NoError(h.t, err)
	var sum int64
	for _, dp := range got.Data.(metricdata.Sum[int64]).DataPoints {
		sum += dp.Value
	}
	return sum
}

// fakeProc is a directory that stands for /proc.
type fakeProc struct {
	t   *testing.T
	dir string
}

func newFakeProc(t *testing.T) *fakeProc {
	t.Helper()
	p := &fakeProc{t: t, dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "self", "net"), 0o755))
	return p
}

func (p *fakeProc) file() string { return filepath.Join(p.dir, "self", "net", "xfrm_stat") }

// write replaces the file in one step: no reader of the kernel's file sees half of
// it.
func (p *fakeProc) write(content string) {
	p.t.Helper()
	tmp := filepath.Join(p.dir, "new")
	require.NoError(p.t, os.WriteFile(tmp, []byte(content), 0o644))
	require.NoError(p.t, os.Rename(tmp, p.file()))
}

func (p *fakeProc) source() source {
	s, err := netns.NewSource(netns.Options{Proc: p.dir})
	require.NoError(p.t, err)
	return s
}

// skip skips a test that cannot run here, and fails it in CI, where all can.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("in CI nothing skips: ", why)
	}
	t.Skip(why)
}

// lost scrapes once and returns how many points the scrape said it lost.
func lost(t *testing.T, cfg *Config, source source) int {
	t.Helper()
	_, err := startScraper(t, cfg, source).scrape(context.Background())
	var partial scrapererror.PartialScrapeError
	if !errors.As(err, &partial) {
		require.NoError(t, err)
		return 0
	}
	return partial.Failed
}

// startScraper returns a scraper alone, without a controller.
func startScraper(tb testing.TB, cfg *Config, source source) *xfrmScraper {
	tb.Helper()
	s := newScraper(receivertest.NewNopSettings(metadata.Type), cfg, source)
	require.NoError(tb, s.start(context.Background(), nil))
	return s
}

func defaultConfig() *Config {
	return NewFactory().CreateDefaultConfig().(*Config)
}

var _ component.Config = (*Config)(nil)
