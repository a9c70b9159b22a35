// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// inNamespace runs the test in a process of its own, in a network namespace of its
// own. It returns true in that process.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const variable = "XFRMRECEIVER_IN_NAMESPACE"
	if os.Getenv(variable) == t.Name() {
		_ = unix.Close(netlinktest.Socket(t, unix.NETLINK_XFRM)) // skips without
		return true
	}
	if os.Getuid() != 0 {
		skip(t, "needs root, to make network namespaces")
	}
	c := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), variable+"="+t.Name())
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip(string(out)) // in CI it would have failed, where it may not skip
	}
	return false
}

// running is a receiver of logs of this process' namespace.
type running struct {
	t      *testing.T
	handed chan plog.LogRecord
	logs   *observer.ObservedLogs
	*logsReceiver
	stop func()
}

func runLogs(t *testing.T, cfg *Config) *running {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	r := &running{t: t, logs: logs, handed: make(chan plog.LogRecord, 100_000)}
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	next, err := consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
		for _, record := range records(logs) {
			r.handed <- record
		}
		return nil
	})
	require.NoError(t, err)
	receiver, err := NewFactory().CreateLogs(context.Background(), set, cfg, next)
	require.NoError(t, err)
	require.NoError(t, receiver.Start(context.Background(), componenttest.NewNopHost()))
	r.logsReceiver = receiver.(*logsReceiver)
	r.stop = func() { require.NoError(t, receiver.Shutdown(context.Background())) }
	t.Cleanup(func() { r.stop() })
	return r
}

// next waits for a record, and returns its body.
func (r *running) next() string {
	r.t.Helper()
	select {
	case record := <-r.handed:
		return record.Body().Str()
	case <-time.After(10 * time.Second):
		require.Fail(r.t, "no record")
		return ""
	}
}

const nobodyListens = "info: No xfrm.acquire events: no IKE daemon listens to acquires, and this receiver does " +
	"not do so alone, because it would change what the kernel does with packets that wait for a security association"

// From the kernel to the next component, with the daemon coming late.
func TestAcquiresOfARealKernel(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	send := netlinktest.RequireAssociations(t)
	cfg := defaultConfig()
	cfg.Events.XfrmPacketDropped.Enabled = false
	cfg.Logs.Interval = 100 * time.Millisecond
	r := runLogs(t, cfg)
	send(1) // nobody listens: the packet is dropped, without a larval association
	r.awaitLine(nobodyListens)
	out, err := netlinktest.IP(t, "xfrm state count")
	require.NoError(t, err)
	require.Contains(t, out, "SAD count 0")

	leave := netlinktest.JoinAcquires(t)
	r.awaitLine(lineWorks)
	send(7)
	const flow = "udp packets from 192.0.2.1 port 4444 to 198.51.100.7 port 5555 "
	assert.Equal(t, flow+"need a security association with 198.51.100.99, and there is none yet", r.next())
	assert.Equal(t, flow+"got no security association with 198.51.100.99: no IKE daemon set one up in time", r.next())
	leave()
	r.awaitLine(nobodyListens)
	send(8)
	r.stop()
	assert.Empty(t, r.handed)
}

// Between two ticks, the first acquire that nobody else gets is the last.
func TestAcquiresAreLeftWithTheFirstThatNobodyElseGets(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	send := netlinktest.RequireAssociations(t)
	cfg := defaultConfig()
	cfg.Events.XfrmPacketDropped.Enabled = false
	cfg.Logs.Interval = time.Hour
	r := runLogs(t, cfg)
	leave := netlinktest.JoinAcquires(t)
	r.tick(t.Context())
	send(7)
	require.Contains(t, r.next(), "and there is none yet")
	require.Contains(t, r.next(), "no IKE daemon set one up in time")
	require.True(t, isInAcquires(t), "the daemon listens")
	leave()
	send(8)
	require.Contains(t, r.next(), "and there is none yet")
	require.Eventually(t, func() bool { return !isInAcquires(t) }, 10*time.Second, time.Millisecond)
}

// isInAcquires reports whether a socket of this receiver is in the group ACQUIRE.
func isInAcquires(t *testing.T) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/self/net/netlink")
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^\S+ +6 +\d+ +800000.[13579bdf] `).Match(table)
}

// awaitLine waits until a line is logged, and forgets those before.
func (r *running) awaitLine(want string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		h := logsHarness{logs: r.logs}
		for _, line := range h.lines() {
			if line == want {
				return true
			}
		}
		return false
	}, 10*time.Second, time.Millisecond, want)
}

func TestPoliciesAndAFlushOfARealKernel(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cfg := withAllEvents()
	cfg.Events.XfrmPacketDropped.Enabled = false
	cfg.Events.XfrmAcquire.Enabled = false
	r := runLogs(t, cfg)
	netlinktest.MustIP(t, "xfrm policy add src 10.2.0.0/16 dst 10.1.0.0/16 proto tcp dport 80 dir in "+
		"if_id 42 mark 7 mask 0xff tmpl src 192.0.2.1 dst 198.51.100.2 proto esp reqid 7 mode tunnel")
	assert.Equal(t, "the inbound policy for tcp packets from 10.2.0.0/16 to 10.1.0.0/16 port 80 was created "+
		"(allow through src 192.0.2.1 dst 198.51.100.2 proto esp reqid 7 mode tunnel, if_id 42, mark 0x7/0xff)", r.next())
	netlinktest.MustIP(t, "xfrm policy deleteall")
	assert.Equal(t, "the inbound policy for tcp packets from 10.2.0.0/16 to 10.1.0.0/16 port 80 was deleted "+
		"(allow through src 192.0.2.1 dst 198.51.100.2 proto esp reqid 7 mode tunnel, if_id 42, mark 0x7/0xff)", r.next())
	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state deleteall") // of a larval one nothing is said
	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state flush proto esp")
	assert.Equal(t, "all esp security associations were deleted at once (flushed)", r.next())
	assert.Empty(t, r.logs.TakeAll())
}

// Audit records come in the initial network namespace only; the others come anyway.
func TestOutsideOfTheInitialNamespace(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cfg := defaultConfig()
	cfg.Events.XfrmAcquire.Enabled = false
	cfg.Logs.Interval = 100 * time.Millisecond
	r := runLogs(t, cfg)
	r.awaitLine(lineFailed + errOtherNamespace.Error() + "; xfrm.packet.dropped events are missing")
	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state flush")
	assert.Equal(t, "all security associations were deleted at once (flushed)", r.next())
}

// With root_path, audit records are those of the host's PID 1, wherever the collector
// runs.
func TestAuditOfTheHostFromAnotherNamespace(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for root, isOther := range map[string]bool{"": true, "/": false} {
		cfg := defaultConfig()
		cfg.Events = metadata.EventsConfig{}
		cfg.Events.XfrmPacketDropped.Enabled = true
		cfg.RootPath = root
		source, err := netns.NewSource(cfg.sourceOptions())
		require.NoError(t, err)
		e, err := newStreams(cfg, source)[0].open()
		if err == nil {
			e.Close()
		}
		assert.Equal(t, isOther, errors.Is(err, errOtherNamespace), "%q: %v", root, err)
	}
}

func TestEventsThatAreOffOpenNoSocket(t *testing.T) {
	cfg := defaultConfig()
	cfg.Events = metadata.EventsConfig{}
	assert.Empty(t, newStreams(cfg, nil))
	cfg.Events.XfrmEventsLost.Enabled = true
	assert.Empty(t, newStreams(cfg, nil))
	cfg.Events.XfrmPacketDropped.Enabled = true
	require.Len(t, newStreams(cfg, nil), 1)
	assert.Equal(t, metadata.AttributeEventSourceAudit, newStreams(cfg, nil)[0].source)
	for _, event := range []*metadata.EventConfig{
		&cfg.Events.XfrmAcquire, &cfg.Events.XfrmMappingChanged, &cfg.Events.XfrmPolicyChanged,
		&cfg.Events.XfrmSaCreated, &cfg.Events.XfrmSaDeleted, &cfg.Events.XfrmSaExpired,
	} {
		cfg.Events = metadata.EventsConfig{}
		event.Enabled = true
		require.Len(t, newStreams(cfg, nil), 1)
		assert.Equal(t, metadata.AttributeEventSourceXfrm, newStreams(cfg, nil)[0].source)
	}
}

// Metrics and logs side by side, again and again: nothing is left.
func TestNoDescriptorIsLeft(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cfg := withAllEvents()
	cfg.Metrics.XfrmTunnelIo.Enabled = true
	cfg.InitialDelay = 0
	cfg.CollectionInterval = 100 * time.Millisecond
	cfg.Logs.Interval = 100 * time.Millisecond
	round := func() {
		_, metrics := new(consumertest.MetricsSink), new(consumertest.MetricsSink)
		m, err := NewFactory().CreateMetrics(context.Background(), receivertest.NewNopSettings(metadata.Type), cfg, metrics)
		require.NoError(t, err)
		require.NoError(t, m.Start(context.Background(), componenttest.NewNopHost()))
		r := runLogs(t, cfg)
		netlinktest.AddLarval(t, 1)
		netlinktest.MustIP(t, "xfrm state flush")
		r.next()
		require.Eventually(t, func() bool { return metrics.DataPointCount() > 0 }, 10*time.Second, time.Millisecond)
		r.stop()
		require.NoError(t, m.Shutdown(context.Background()))
	}
	round()
	before := descriptors(t)
	for range 5 {
		round()
	}
	assert.Equal(t, before, descriptors(t))
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// Events that wait in the socket, more than records may wait for the next component,
// are not lost while that is fast enough.
func TestAFloodOfEvents(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	cfg := withAllEvents()
	cfg.Events.XfrmPacketDropped.Enabled = false
	cfg.Events.XfrmAcquire.Enabled = false
	r := runLogs(t, cfg)
	const policies = maxPending * 3 / 2
	var batch strings.Builder
	for i := range policies {
		_, _ = fmt.Fprintf(&batch, "xfrm policy add src 10.1.0.0/32 dst 10.2.%d.%d/32 dir out\n", i>>8, i&0xff)
	}
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(batch.String())
	r.mu.Lock() // the events wait
	out, err := c.CombinedOutput()
	r.mu.Unlock()
	require.NoError(t, err, "%s", out)
	for range policies {
		require.Contains(t, r.next(), " was created (allow)")
	}
	r.stop()
	assert.Empty(t, r.handed)
}

func TestAuditLosses(t *testing.T) {
	e := &auditEvents{}
	for _, step := range []struct {
		all  uint32
		want int64
	}{{100, 0}, {100, 0}, {103, 3}, {5, 5}, {5, 0}, {1<<32 - 1, 1<<32 - 6}} {
		assert.Equal(t, step.want, e.newlyLost(step.all), "%+v", step)
	}
}

// On this machine audit is on, off, not permitted or not there.
func TestAuditOfThisMachine(t *testing.T) {
	source, err := netns.NewSource(netns.Options{})
	require.NoError(t, err)
	e, err := openAudit(source, true)
	switch {
	case err != nil:
		assert.True(t, errors.Is(err, errOtherNamespace) || errors.Is(err, audit.ErrNoAudit) || errors.Is(err, audit.ErrNotPermitted), err)
		t.Log(err)
		return
	default:
		defer e.Close()
	}
	_, err = e.Tick(t.Context())
	t.Log(err)
	if err != nil {
		require.Equal(t, errAuditOff, err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Tick(done)
	require.ErrorIs(t, err, context.Canceled)
}

// Without the capability to ask, it is found out in each interval, until audit is on.
func TestAuditIsSwitchedOnLater(t *testing.T) {
	runtime.LockOSThread() // which ends with the test, and with it the lack of capabilities
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	require.NoError(t, unix.Capset(&header, &none[0]))
	source, err := netns.NewSource(netns.Options{})
	require.NoError(t, err)
	isOn, tries, broken := false, 0, errors.New("broken")
	e := &auditEvents{source: source, findOut: func(context.Context, netns.Sockets) (bool, error) {
		tries++
		return isOn, err
	}}
	_, got := e.Tick(t.Context())
	if errors.Is(got, audit.ErrNoAudit) {
		skip(t, "needs audit: "+got.Error())
	}
	require.Equal(t, errAuditOff, got)
	err = broken
	_, got = e.Tick(t.Context())
	require.Equal(t, broken, got)
	err = nil
	_, got = e.Tick(t.Context())
	require.Equal(t, errAuditOff, got)
	isOn = true
	for range 2 {
		lost, got := e.Tick(t.Context())
		require.NoError(t, got)
		require.Zero(t, lost)
	}
	require.Equal(t, 4, tries)
}
