package xfrmreceiver

import (
	"context"
	"fmt"
	"io/fs"
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
	assert.Zero(t, md.ResourceMetrics().At(0).Resource().Attributes().Len())
	// No process says otherwise.
	assert.WithinDuration(t, bootTime(t), startOf(md), 2*time.Second)
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
			[]string{"expected a host's root file system at ROOT", "no such file or directory", "-v /:ROOT:ro,rslave"},
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
	assert.Zero(t, h.next().ResourceMetrics().Len(), "not even the resource")
	proc.write("XfrmInError\t0\nXfrmInHdrError\t2\n")
	assert.Equal(t, map[string]int64{"inbound/hdr_error": 2}, values(t, h.next()))
	proc.write("XfrmInError\t0\nXfrmInHdrError\t3\n")
	assert.Equal(t, map[string]int64{"inbound/hdr_error": 3}, values(t, h.next()))
	h.stop()
	assert.Zero(t, h.errored())
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
	assert.Equal(t, 5, h.next().ResourceMetrics().Len())
	s.slow.Store(true)
	h.next()
	md := h.next()
	assert.Equal(t, 2, md.ResourceMetrics().Len(), "the finished ones are emitted")
	h.stop()
	logged := h.logs.FilterLevelExact(zapcore.ErrorLevel).All()
	require.Len(t, logged, 1)
	assert.Contains(t, logged[0].ContextMap()["error"], "/run/netns/2 and 2 more: the time was up")
	assert.EqualValues(t, 6, logged[0].ContextMap()["missing_points"], "what three namespaces had last")
	assert.Zero(t, h.errored()%6)
	assert.Positive(t, h.errored())
}

// What was read in time is handed on with a context that has not ended.
func TestTimeoutDoesNotEndTheHandOver(t *testing.T) {
	s := &slowSource{namespaces: []*netns.Namespace{{Name: "0"}, {Name: "1"}, {Name: "2"}}}
	s.slow.Store(true)
	cfg := defaultConfig()
	cfg.Timeout, cfg.InitialDelay = 10*time.Millisecond, 0
	got := make(chan error, 1)
	next, err := consumer.NewMetrics(func(ctx context.Context, md pmetric.Metrics) error {
		if md.ResourceMetrics().Len() == 2 {
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
	proc := newFakeProc(t)
	proc.write("XfrmInError\t1\n")
	s := newScraper(receivertest.NewNopSettings(metadata.Type), defaultConfig(), proc.source())
	s.stop()
	md, err := s.scrape(context.Background())
	require.ErrorIs(t, err, errShutdown)
	assert.Zero(t, md.DataPointCount())
}

// The number of lost points is that of the points which would have been emitted.
func TestLostPointsAreThoseEmitted(t *testing.T) {
	proc := newFakeProc(t)
	proc.write("XfrmInError\t1\nXfrmInHdrError\t2\nXfrmOutError\t0\n")
	cfg := defaultConfig()
	cfg.OmitZero = true
	s := newScraper(receivertest.NewNopSettings(metadata.Type), cfg, proc.source())
	md, err := s.scrape(context.Background())
	require.NoError(t, err)
	require.Equal(t, 2, md.DataPointCount())
	proc.write("")
	_, err = s.scrape(context.Background())
	var partial scrapererror.PartialScrapeError
	require.ErrorAs(t, err, &partial)
	assert.Equal(t, 2, partial.Failed)
}

// A failure is the same whichever process it was met through.
func TestFailureKeyHoldsNoPID(t *testing.T) {
	ns := &netns.Namespace{PodUID: "p"}
	var one, two failures
	one.ofNamespace(ns, "/proc/1/net/xfrm_stat", &fs.PathError{Op: "read", Path: "/proc/1/net/xfrm_stat", Err: fs.ErrInvalid}, 1)
	two.ofNamespace(ns, "/proc/2/net/xfrm_stat", &fs.PathError{Op: "read", Path: "/proc/2/net/xfrm_stat", Err: fs.ErrInvalid}, 1)
	assert.Equal(t, one.list()[0].key, two.list()[0].key)
	assert.Equal(t, "k8s.pod.uid=p: invalid argument", one.list()[0].key)
}

// Hundreds of namespaces that fail for one cause make one failure, and its text
// does not grow.
func TestFailuresOfManyNamespaces(t *testing.T) {
	var f failures
	for i := range 500 {
		f.ofNamespace(nil, fmt.Sprintf("/run/netns/n%d", i), netns.ErrNotPermitted, 32)
	}
	list := f.list()
	require.Len(t, list, 1)
	assert.Equal(t, 500*32, list[0].points)
	require.ErrorContains(t, list[0].err, "/run/netns/n0 and 499 more: ")
	require.ErrorContains(t, list[0].err, "CAP_SYS_ADMIN")
	require.ErrorContains(t, list[0].err, "network_namespaces::processes")

	f = failures{}
	for i := range 500 {
		f.ofNamespace(nil, "x", fmt.Errorf("cause %d", i), 1)
	}
	err := asError(f.list())
	require.ErrorContains(t, err, "and 490 more failures")
	assert.Less(t, len(err.Error()), 1000)
}

func TestResourceAttributes(t *testing.T) {
	for name, tt := range map[string]struct {
		ns   netns.Namespace
		want map[string]any
	}{
		"main":      {netns.Namespace{}, map[string]any{}},
		"named":     {netns.Namespace{Name: "vpn"}, map[string]any{"netns.name": "vpn"}},
		"pod":       {netns.Namespace{PodUID: "p"}, map[string]any{"k8s.pod.uid": "p"}},
		"container": {netns.Namespace{ContainerID: "c", PID: 7}, map[string]any{"container.id": "c", "process.pid": int64(7)}},
		"both":      {netns.Namespace{Name: "vpn", ContainerID: "c"}, map[string]any{"netns.name": "vpn", "container.id": "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			md := pmetric.NewMetrics()
			newEmitter(newDefaultConfig(), receivertest.NewNopSettings(metadata.Type)).
				add(md, &tt.ns, someCounters(), pcommon.NewTimestampFromTime(time.Now()))
			assert.Equal(t, tt.want, md.ResourceMetrics().At(0).Resource().Attributes().AsRaw())
		})
	}
}

// metrics_include and metrics_exclude of the resource attributes act as the
// generated code means them.
func TestResourceAttributeFilters(t *testing.T) {
	cfg, err := loadConfig(t, "filters")
	require.NoError(t, err)
	emitter := newEmitter(cfg, receivertest.NewNopSettings(metadata.Type))
	md := pmetric.NewMetrics()
	for _, name := range []string{"", "vpn-1", "vpn-2", "other"} {
		emitter.add(md, &netns.Namespace{Name: name}, someCounters(), 1)
	}
	var got []map[string]any
	for _, rm := range md.ResourceMetrics().All() {
		got = append(got, rm.Resource().Attributes().AsRaw())
	}
	assert.Equal(t, []map[string]any{{}, {"netns.name": "vpn-1"}}, got)
}
