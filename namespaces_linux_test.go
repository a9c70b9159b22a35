// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// newFakeRoot makes a directory that looks like a mounted host's root with PID 1.
func newFakeRoot(t *testing.T) (root, file string) {
	t.Helper()
	root = t.TempDir()
	dir := filepath.Join(root, "proc", "1", "net")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	return root, filepath.Join(dir, "xfrm_stat")
}

func sourceOf(t *testing.T, cfg *Config) source {
	t.Helper()
	s, err := netns.NewSource(cfg.sourceOptions())
	require.NoError(t, err)
	return s
}

func TestRootPath(t *testing.T) {
	root, file := newFakeRoot(t)
	require.NoError(t, os.WriteFile(file, []byte("XfrmInError\t1\n"), 0o600))
	cfg := defaultConfig()
	cfg.RootPath = root
	h := start(t, cfg, sourceOf(t, cfg))
	md := h.next()
	assert.Equal(t, map[string]int64{"inbound/error": 1}, values(t, md))
	assert.EqualValues(t, 1, count(t, md))
}

// A link that leads out of the root is resolved inside it.
func TestRootPathConfinesLinks(t *testing.T) {
	root, file := newFakeRoot(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "stat"), []byte("XfrmInError\t1\n"), 0o600))
	require.NoError(t, os.Symlink("/../../../../../../../../stat", file))
	cfg := defaultConfig()
	cfg.RootPath = root
	assert.Equal(t, map[string]int64{"inbound/error": 1}, values(t, start(t, cfg, sourceOf(t, cfg)).next()))
}

func TestRootPathErrorsAtStart(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(root string) error
		says []string
	}{
		"nothing there": {
			os.Remove,
			[]string{"expected the host's root file system at ROOT", "no such file or directory", "-v /:ROOT:ro,rslave"},
		},
		"no proc": {
			func(string) error { return nil },
			[]string{"open ROOT/proc: no such file or directory", "-v /:ROOT:ro,rslave"},
		},
		"proc not mounted": {
			func(root string) error { return os.Mkdir(filepath.Join(root, "proc"), 0o755) },
			[]string{"ROOT/proc/1 does not exist: expected the host's proc at ROOT/proc", "-v /:ROOT:ro,rslave"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			require.NoError(t, os.Mkdir(root, 0o755))
			require.NoError(t, tt.make(root))
			cfg := defaultConfig()
			cfg.RootPath = root
			r, err := NewFactory().CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), cfg, consumertest.NewNop())
			require.NoError(t, err)
			err = r.Start(context.Background(), componenttest.NewNopHost())
			for _, s := range tt.says {
				require.ErrorContains(t, err, strings.ReplaceAll(s, "ROOT", root))
			}
			require.NoError(t, r.Shutdown(context.Background()))
		})
	}
}

func TestOmitZero(t *testing.T) {
	proc := newFakeProc(t)
	proc.write("XfrmInError\t0\nXfrmInHdrError\t0\n")
	cfg := defaultConfig()
	cfg.OmitZero = true
	h := start(t, cfg, proc.source())
	md := h.next()
	assert.Empty(t, dropped(md))
	assert.EqualValues(t, 1, count(t, md), "the heartbeat")
	proc.write("XfrmInError\t0\nXfrmInHdrError\t2\n")
	assert.Equal(t, map[string]int64{"inbound/hdr_error": 2}, values(t, h.next()))
	proc.write("XfrmInError\t0\nXfrmInHdrError\t3\n")
	assert.Equal(t, map[string]int64{"inbound/hdr_error": 3}, values(t, h.next()))
	h.stop()
	assert.Zero(t, h.errored())
}

// A counter that fell to zero begins anew, also if the zero is omitted.
func TestOmittedZeroBeginsANewSeries(t *testing.T) {
	proc := newFakeProc(t)
	cfg := defaultConfig()
	cfg.OmitZero = true
	s := startScraper(t, cfg, proc.source())
	scrape := func(value int) []pmetric.NumberDataPoint {
		proc.write(fmt.Sprintf("XfrmInError\t%d\n", value))
		md, err := s.scrape(context.Background())
		require.NoError(t, err)
		return dropped(md)
	}
	first := scrape(5)
	require.Len(t, first, 1)
	assert.Equal(t, s.starts.boot, first[0].StartTimestamp())
	require.Empty(t, scrape(0))
	assert.Equal(t, first[0].Timestamp(), scrape(7)[0].StartTimestamp())
}

// The number of namespaces has the start of the host, whatever happened to the
// counters, and never one after its point.
func TestStartOfTheHeartbeat(t *testing.T) {
	proc := newFakeProc(t)
	s := startScraper(t, defaultConfig(), proc.source())
	scrape := func() (heartbeat pmetric.NumberDataPoint) {
		md, _ := s.scrape(context.Background())
		for _, metric := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() == "xfrm.netns.count" {
				heartbeat = metric.Sum().DataPoints().At(0)
			}
		}
		return heartbeat
	}
	proc.write("XfrmInError\t5\n")
	assert.Equal(t, s.starts.boot, scrape().StartTimestamp())
	proc.write("XfrmInError\t4\n")
	assert.Equal(t, s.starts.boot, scrape().StartTimestamp())
	assert.Equal(t, 2, s.starts.generation)

	// The clock was set back, and nothing else is read.
	proc.write("")
	s.starts.boot = pcommon.NewTimestampFromTime(time.Now().Add(time.Hour))
	boot, err := bootTime()
	require.NoError(t, err)
	assert.Equal(t, boot, scrape().StartTimestamp())
}

// readings are what a source reads.
type readings []netns.Reading

func (readings) Check() error { return nil }

func (all readings) Visit(_ context.Context, visit func(netns.Reading)) {
	for _, r := range all {
		visit(r)
	}
}

// The main namespace is read first and emitted last, with its own values and the
// time at which it was read.
func TestMainNamespaceIsEmittedAsItWasRead(t *testing.T) {
	md := start(t, defaultConfig(), readings{
		{Namespace: &netns.Namespace{}, Data: []byte("XfrmInError\t1\n")},
		{Namespace: &netns.Namespace{Name: "vpn"}, Data: []byte("XfrmInError\t2\n")},
	}).next()
	points := dropped(md)
	require.Len(t, points, 2)
	vpn, main := points[0], points[1]
	assert.EqualValues(t, 2, vpn.IntValue())
	assert.EqualValues(t, 1, main.IntValue())
	assert.LessOrEqual(t, main.Timestamp(), vpn.Timestamp())
}

// slowSource reads some namespaces at once and others only before the time is up.
type slowSource struct {
	namespaces []*netns.Namespace
	slow       atomic.Bool
}

func (*slowSource) Check() error { return nil }

func (s *slowSource) Visit(ctx context.Context, visit func(netns.Reading)) {
	for i, ns := range s.namespaces {
		reading := netns.Reading{Namespace: ns, File: "/run/netns/" + ns.Name, Data: []byte("XfrmInError\t1\nXfrmOutError\t2\n")}
		if s.slow.Load() && i >= 2 {
			<-ctx.Done()
			reading.Data, reading.Err = nil, netns.ErrUnread
		}
		visit(reading)
	}
}

func TestTimeoutInTheMiddle(t *testing.T) {
	s := &slowSource{}
	for i := range 5 {
		s.namespaces = append(s.namespaces, &netns.Namespace{Name: fmt.Sprint(i)})
	}
	cfg := defaultConfig()
	cfg.Timeout = 500 * time.Millisecond
	h := start(t, cfg, s)
	assert.EqualValues(t, 5, count(t, h.next()))
	s.slow.Store(true)
	md := h.next()
	assert.Len(t, dropped(md), 4, "what was read is emitted")
	assert.EqualValues(t, 2, count(t, md))
	h.stop()
	logged := h.logs.FilterLevelExact(zapcore.ErrorLevel).All()
	require.Len(t, logged, 1)
	assert.Contains(t, h.errors()[0], "/run/netns/2 and 2 more: timeout ended the scrape")
	assert.EqualValues(t, 6, logged[0].ContextMap()["missing_points"], "what three namespaces had last")
	assert.EqualValues(t, 6, h.errored())
}

// What was read in time is handed on with a context that has not ended.
func TestTimeoutDoesNotEndTheHandOver(t *testing.T) {
	s := &slowSource{namespaces: []*netns.Namespace{{Name: "0"}, {Name: "1"}, {Name: "2"}}}
	s.slow.Store(true)
	cfg := defaultConfig()
	cfg.Timeout, cfg.InitialDelay = 10*time.Millisecond, 0
	got := make(chan error, 1)
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		if len(dropped(md)) == 4 {
			got <- ctx.Err()
		}
		return nil
	})
	require.NoError(t, err)
	r, err := newReceiver(receivertest.NewNopSettings(metadata.Type), cfg, s, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(t, <-got)
	require.NoError(t, r.Shutdown(context.Background()))
}

// A tick that was pending at the shutdown begins no scrape.
func TestNoScrapeAfterShutdown(t *testing.T) {
	source := &blockingSource{entered: make(chan struct{})}
	s := startScraper(t, defaultConfig(), source)
	s.stop()
	md, err := s.scrape(context.Background())
	require.ErrorIs(t, err, errShutdown)
	assert.Zero(t, md.DataPointCount())
	select {
	case <-source.entered:
		t.Error("it was begun")
	default:
	}
}

// The number of lost points is that of the points which would have been emitted.
func TestLostPointsAreThoseEmitted(t *testing.T) {
	proc := newFakeProc(t)
	proc.write("XfrmInError\t1\nXfrmInHdrError\t2\nXfrmOutError\t0\n")
	cfg := defaultConfig()
	cfg.OmitZero = true
	s := startScraper(t, cfg, proc.source())
	md, err := s.scrape(context.Background())
	require.NoError(t, err)
	require.Len(t, dropped(md), 2)
	proc.write("")
	_, err = s.scrape(context.Background())
	var partial scrapererror.PartialScrapeError
	require.ErrorAs(t, err, &partial)
	assert.Equal(t, 2, partial.Failed)
}

// resources are the attributes of each resource with dropped packets.
func resources(md pmetric.Metrics) []map[string]any {
	var all []map[string]any
	for _, rm := range md.ResourceMetrics().All() {
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() == "xfrm.packet.dropped" {
				all = append(all, rm.Resource().Attributes().AsRaw())
			}
		}
	}
	return all
}

func TestResourceAttributes(t *testing.T) {
	s := &slowSource{namespaces: []*netns.Namespace{
		{},
		{Name: "vpn"},
		{PodUID: "p"},
		{ContainerID: "c", PID: 7},
		{ContainerName: "n"},
		{Name: "vpn", Unit: "u.service"},
	}}
	md := start(t, defaultConfig(), s).next()
	assert.Equal(t, []map[string]any{
		{"netns.name": "vpn"},
		{"k8s.pod.uid": "p"},
		{"container.id": "c", "process.pid": int64(7)},
		{"container.name": "n"},
		{"netns.name": "vpn", "systemd.unit.name": "u.service"},
		{}, // the main one is emitted last
	}, resources(md))
	assert.EqualValues(t, 6, count(t, md))
}

// metrics_include and metrics_exclude of the resource attributes act as in every
// generated component.
func TestResourceAttributeFilters(t *testing.T) {
	cfg, err := loadConfig(t, "filters")
	require.NoError(t, err)
	s := &slowSource{namespaces: []*netns.Namespace{{}, {Name: "vpn-1"}, {Name: "vpn-2"}, {Name: "other"}}}
	assert.Equal(t, []map[string]any{{"netns.name": "vpn-1"}, {}}, resources(start(t, cfg, s).next()))
}
