// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// Each row of the table "What goes wrong" that concerns one namespace.
func TestBadInput(t *testing.T) {
	for name, tt := range map[string]struct {
		content string
		want    map[string]int64
		// says is what the one log line about it must hold.
		says   []string
		missed int64
	}{
		"no number": {
			"XfrmInError\t1\nXfrmInHdrError\nXfrmOutError\t3\n",
			map[string]int64{"inbound/error": 1, "outbound/error": 3},
			[]string{"line 2", `"XfrmInHdrError"`, "expected a number"},
			1,
		},
		"no name": {
			"17\nXfrmOutError\t3\n",
			map[string]int64{"outbound/error": 3},
			[]string{"line 1", `"17"`, "expected a counter name"},
			1,
		},
		"two numbers": {
			"XfrmInHdrError 1 2\nXfrmOutError\t3\n",
			map[string]int64{"outbound/error": 3},
			[]string{"line 1", `"XfrmInHdrError 1 2"`, "expected one number"},
			1,
		},
		"not UTF-8": {
			"Xfrm\xfe 1\nXfrmOutError\t3\n",
			map[string]int64{"outbound/error": 3},
			[]string{"line 1", `"Xfrm\xfe 1"`, "expected UTF-8"},
			1,
		},
		"cut off": {
			"XfrmOutError\t3\nXfrmInHdrError\t12",
			map[string]int64{"outbound/error": 3},
			[]string{"line 2", `"XfrmInHdrError\t12"`, "newline"},
			1,
		},
		"a long line is cut": {
			strings.Repeat("x", 500) + "\nXfrmOutError\t3\n",
			map[string]int64{"outbound/error": 3},
			[]string{`"` + strings.Repeat("x", 64) + `"...`},
			1,
		},
		"above int64": {
			"XfrmInError\t9223372036854775808\nXfrmOutError\t9223372036854775807\n",
			map[string]int64{"outbound/error": math.MaxInt64},
			[]string{"line 1", "9223372036854775808", "at most 9223372036854775807"},
			1,
		},
		"twice": {
			"XfrmInError\t1\nXfrmInError\t2\nXfrmOutError\t3\n",
			map[string]int64{"inbound/error": 1, "outbound/error": 3},
			[]string{"line 2", "line 1 has the same"},
			1,
		},
		"several": {
			"a\nb\nXfrmOutError\t3\n",
			map[string]int64{"outbound/error": 3},
			[]string{"line 1", "line 2"},
			2,
		},
		"empty file": {
			"", map[string]int64{}, []string{"empty, expected a line for each counter"}, 1,
		},
		"too large": {
			strings.Repeat("XfrmInError\t1\n", 10_000),
			map[string]int64{},
			[]string{"more than 65536 bytes"},
			1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			proc := newFakeProc(t)
			proc.write(tt.content)
			h := start(t, defaultConfig(), proc.source())
			assert.Equal(t, tt.want, values(t, h.next()))
			h.next()
			h.stop()

			errors := h.logs.FilterLevelExact(zapcore.ErrorLevel).All()
			require.Len(t, errors, 1, "an unchanged failure is logged once")
			assert.EqualValues(t, tt.missed, errors[0].ContextMap()["missing_points"])
			text := h.errors()[0]
			assert.Contains(t, text, proc.file())
			for _, s := range tt.says {
				assert.Contains(t, text, s)
			}
			assert.NotContains(t, text, "\n")
			assert.Empty(t, errors[0].Stack)
			assert.Equal(t, 2*tt.missed, h.errored())
			assert.EqualValues(t, tt.missed, lost(t, defaultConfig(), proc.source()))
		})
	}
}

// What cannot be read at all, and what stands in the file's place.
func TestUnreadable(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(path string) error
		says string
	}{
		"directory": {
			func(path string) error { return os.Mkdir(path, 0o755) },
			"is a directory, expected a regular file",
		},
		"FIFO": {
			func(path string) error { return unix.Mkfifo(path, 0o644) },
			"is a FIFO, expected a regular file",
		},
		"endless": {
			func(path string) error { return os.Symlink("/dev/zero", path) },
			"is a device, expected a regular file",
		},
		"symlink loop": {
			func(path string) error { return os.Symlink("xfrm_stat", path) },
			"too many levels of symbolic links",
		},
		// The first page of a process is never mapped.
		"I/O error": {
			func(path string) error { return os.Symlink("/proc/self/mem", path) },
			"input/output error",
		},
	} {
		t.Run(name, func(t *testing.T) {
			proc := newFakeProc(t)
			require.NoError(t, tt.make(proc.file()))
			h := start(t, defaultConfig(), proc.source())
			md := h.next()
			assert.Empty(t, values(t, md))

			require.Len(t, h.errors(), 1)
			assert.Contains(t, h.errors()[0], proc.file())
			assert.Contains(t, h.errors()[0], tt.says)
			assert.EqualValues(t, 1, h.errored())
			assert.Zero(t, count(t, md))

			require.NoError(t, os.RemoveAll(proc.file()))
			proc.write("XfrmInError\t1\n")
			assert.Equal(t, map[string]int64{"inbound/error": 1}, values(t, h.next()))
			assert.Len(t, h.logs.FilterMessage("Reading from the kernel works again").All(), 1)
		})
	}
}

// An unreadable namespace counts as many missing points as it had last.
func TestErroredPointsOfAnUnreadableNamespace(t *testing.T) {
	proc := newFakeProc(t)
	proc.write("XfrmInError\t1\nXfrmInHdrError\t2\nXfrmOutError\t3\n")
	h := start(t, defaultConfig(), proc.source())
	h.next()
	require.Zero(t, h.errored())
	proc.write("")
	h.next()
	h.next()
	h.stop()
	assert.EqualValues(t, 6, h.errored(), "3 in each of two scrapes")
}

// The file system is asked as another user, which only this thread becomes.
func TestPermissionDenied(t *testing.T) {
	if os.Getuid() != 0 {
		skip(t, "needs root, to become a user who may not read the file")
	}
	proc := newFakeProc(t)
	proc.write("XfrmInError\t1\n")
	require.NoError(t, os.Chmod(proc.file(), 0o600))
	// The directories above are open to all; only the file is not.
	for dir := proc.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	core, logs := observer.New(zapcore.DebugLevel)
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	s := newScraper(set, defaultConfig(), proc.source())
	require.NoError(t, s.start(context.Background(), nil))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		_, _, errno := unix.RawSyscall(unix.SYS_SETFSUID, 65534, 0, 0)
		assert.Zero(t, errno)
		md, err := s.scrape(context.Background())
		assert.Empty(t, dropped(md))
		assert.ErrorContains(t, err, "open "+proc.file()+": permission denied")
		assert.True(t, scrapererror.IsPartialScrapeError(err))
	}()
	<-done
	assert.Len(t, logs.FilterLevelExact(zapcore.ErrorLevel).All(), 1)
}

func TestKernelWithoutStatistics(t *testing.T) {
	proc := newFakeProc(t)
	h := start(t, defaultConfig(), proc.source())
	md := h.next()
	assert.Empty(t, dropped(md))
	assert.Zero(t, count(t, md))
	h.next()

	warnings := h.logs.FilterLevelExact(zapcore.WarnLevel).All()
	require.Len(t, warnings, 1, "one warning, not one for each scrape")
	assert.Contains(t, warnings[0].Message, "CONFIG_XFRM_STATISTICS")
	assert.Equal(t, proc.file(), warnings[0].ContextMap()["file"])

	proc.write("XfrmInError\t1\n")
	assert.Equal(t, map[string]int64{"inbound/error": 1}, values(t, h.next()))
	h.next()
	h.stop()
	assert.Len(t, h.logs.FilterMessage("XFRM statistics are now available").FilterLevelExact(zapcore.InfoLevel).All(), 1)
	assert.Empty(t, h.logs.FilterLevelExact(zapcore.ErrorLevel).All())
	assert.Zero(t, h.errored())
}

func TestNoProc(t *testing.T) {
	proc := newFakeProc(t)
	require.NoError(t, os.Remove(proc.dir+"/self/net"))
	h := start(t, defaultConfig(), proc.source())
	assert.Zero(t, count(t, h.next()))
	require.Len(t, h.errors(), 1)
	assert.Contains(t, h.errors()[0], "expected proc at "+proc.dir)
}

func TestUnknownCounterIsForwarded(t *testing.T) {
	proc := newFakeProc(t)
	proc.write("XfrmInQuantumError\t7\nXfrmShinyNewThing\t8\n")
	h := start(t, defaultConfig(), proc.source())
	assert.Equal(t, map[string]int64{"inbound/quantum_error": 7, "unknown/shiny_new_thing": 8}, values(t, h.next()))
	h.next()
	h.stop()
	infos := h.logs.FilterMessageSnippet("does not know").FilterLevelExact(zapcore.InfoLevel).All()
	require.Len(t, infos, 2, "each once")
	assert.Equal(t, "XfrmInQuantumError", infos[0].ContextMap()["counter"])
}

// This machine's own counters, through the factory, as a user gets them.
func TestThisKernel(t *testing.T) {
	content, err := os.ReadFile("/proc/net/xfrm_stat")
	if err != nil {
		skip(t, "needs a kernel with CONFIG_XFRM_STATISTICS: "+err.Error())
	}
	cfg := defaultConfig()
	cfg.InitialDelay = 0
	sink := new(consumertest.MetricsSink)
	r, err := NewFactory().CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), nil))
	require.Eventually(t, func() bool { return len(sink.AllMetrics()) > 0 }, 10*time.Second, time.Millisecond)
	require.NoError(t, r.Shutdown(context.Background()))

	md := sink.AllMetrics()[0]
	assert.Len(t, values(t, md), strings.Count(string(content), "\n"))
	assert.Equal(t, 1, md.ResourceMetrics().Len())
	assert.EqualValues(t, 1, count(t, md))

	boot, err := bootTime()
	require.NoError(t, err)
	for _, point := range dropped(md) {
		assert.WithinDuration(t, time.Now(), point.Timestamp().AsTime(), time.Minute)
		assert.Equal(t, boot, point.StartTimestamp())
	}
}

// blockingSource is in the middle of a scrape until its context ends.
type blockingSource struct {
	entered chan struct{}
	once    sync.Once
	// value is what the context carries.
	value any
}

func (*blockingSource) Check() error { return nil }

func (s *blockingSource) Visit(ctx context.Context, visit func(netns.Reading)) {
	visit(netns.Reading{Namespace: &netns.Namespace{}, File: "x", Data: []byte("XfrmInError\t1\n")})
	s.value = ctx.Value(contextKey{})
	s.once.Do(func() { close(s.entered) })
	<-ctx.Done()
}

func TestShutdownEndsAScrape(t *testing.T) {
	s := &blockingSource{entered: make(chan struct{})}
	h := start(t, defaultConfig(), s)
	<-s.entered
	h.stop()
	select {
	case md := <-h.scraped:
		assert.Zero(t, md.DataPointCount(), "nothing of the interrupted scrape is emitted")
	default:
	}
	assert.Empty(t, h.errors())
	assert.Len(t, h.logs.FilterMessageSnippet("Shutdown interrupted a scrape").All(), 1)
}

// A scrape that was begun with another context ends at the shutdown too.
func TestShutdownEndsAScrapeWithItsOwnContext(t *testing.T) {
	source := &blockingSource{entered: make(chan struct{})}
	s := startScraper(t, defaultConfig(), source)
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), contextKey{}, "span"))
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := s.scrape(ctx)
		done <- err
	}()
	<-source.entered
	s.stop()
	require.ErrorIs(t, <-done, errShutdown)
	assert.Equal(t, "span", source.value, "the context of the caller is passed on")
}

type contextKey struct{}

func TestShutdownWithoutStart(t *testing.T) {
	r, err := newReceiver(receivertest.NewNopSettings(metadata.Type), defaultConfig(), newFakeProc(t).source(), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, r.Shutdown(context.Background()))
}
