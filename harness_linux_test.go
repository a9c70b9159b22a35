package xfrmreceiver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scrapererror"
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

// harness is a running receiver and all that comes out of it.
type harness struct {
	t        *testing.T
	receiver receiver.Metrics
	sink     *consumertest.MetricsSink
	logs     *observer.ObservedLogs
	tel      *componenttest.Telemetry
}

// start runs a receiver that reads every 5 ms, until the test ends.
func start(t *testing.T, cfg *Config, source source) *harness {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	h := &harness{t: t, sink: new(consumertest.MetricsSink), logs: logs, tel: componenttest.NewTelemetry()}
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = h.tel.NewTelemetrySettings()
	set.Logger = zap.New(core)
	cfg.CollectionInterval, cfg.InitialDelay = 5*time.Millisecond, 0
	var err error
	h.receiver, err = newReceiver(set, cfg, source, h.sink)
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

// next waits for two further scrapes, so that the second began after the call,
// and returns that.
func (h *harness) next() pmetric.Metrics {
	h.t.Helper()
	h.sink.Reset()
	require.Eventually(h.t, func() bool { return len(h.sink.AllMetrics()) >= 2 }, 10*time.Second, time.Millisecond)
	return h.sink.AllMetrics()[1]
}

// values are the points of one scrape: "inbound/no_states" and its value.
func values(t *testing.T, md pmetric.Metrics) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	if md.ResourceMetrics().Len() == 0 {
		return got
	}
	metric := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0)
	for _, dp := range metric.Sum().DataPoints().All() {
		direction, _ := dp.Attributes().Get("direction")
		reason, _ := dp.Attributes().Get("reason")
		key := direction.AsString() + "/" + reason.AsString()
		require.NotContains(t, got, key)
		got[key] = dp.IntValue()
	}
	return got
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

// write replaces the file in one step, as no reader of the kernel's file sees a
// half of it.
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
	_, err := newScraper(receivertest.NewNopSettings(metadata.Type), cfg, source).scrape(context.Background())
	var partial scrapererror.PartialScrapeError
	if !errors.As(err, &partial) {
		require.NoError(t, err)
		return 0
	}
	return partial.Failed
}

func defaultConfig() *Config {
	return NewFactory().CreateDefaultConfig().(*Config)
}

var _ component.Config = (*Config)(nil)
