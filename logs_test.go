// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// fakeSocket stands for a socket that receives events.
type fakeSocket struct {
	arrived chan drain
	now     drain
	closed  chan struct{}
	close   sync.Once

	mu   sync.Mutex
	lost int64
	err  error
}

// drain is what Drain does and returns.
type drain struct {
	record  func(*recorder)
	overrun bool
	err     error
}

func newFakeSocket() *fakeSocket {
	return &fakeSocket{arrived: make(chan drain), closed: make(chan struct{})}
}

func (s *fakeSocket) Wait() error {
	select {
	case s.now = <-s.arrived:
		return nil
	case <-s.closed:
		return errors.New("closed")
	}
}

func (s *fakeSocket) Drain(r *recorder) (overrun bool, err error) {
	if s.now.record != nil {
		s.now.record(r)
	}
	return s.now.overrun, s.now.err
}

func (s *fakeSocket) Tick(context.Context) (lost int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost, s.lost = s.lost, 0
	return lost, s.err
}

// says sets what the next ticks return.
func (s *fakeSocket) says(lost int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.err = lost, err
}

func (s *fakeSocket) Close() { s.close.Do(func() { close(s.closed) }) }

func (s *fakeSocket) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// logsHarness is a running receiver of logs with one stream.
type logsHarness struct {
	t        *testing.T
	receiver *logsReceiver
	// sockets are those that the stream opens, in order. What opens more fails.
	sockets []*fakeSocket
	openErr error
	consume func(context.Context, plog.Logs) error
	// handed are the records that the next component has taken.
	handed  chan []plog.LogRecord
	logs    *observer.ObservedLogs
	ctx     context.Context
	ticking context.CancelFunc
}

func newLogsHarness(t *testing.T, sockets ...*fakeSocket) *logsHarness {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	h := &logsHarness{t: t, sockets: sockets, logs: logs, openErr: errors.New("no socket left"), handed: make(chan []plog.LogRecord, 1000)}
	h.ctx, h.ticking = context.WithCancel(context.Background())
	h.consume = func(context.Context, plog.Logs) error { return nil }
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	next, err := consumer.NewLogs(func(ctx context.Context, logs plog.Logs) error {
		err := h.consume(ctx, logs)
		if err == nil {
			h.handed <- records(logs)
		}
		return err
	})
	require.NoError(t, err)
	cfg := withAllEvents()
	cfg.Logs.Interval = time.Hour // the tests tick themselves
	h.receiver, err = newLogsReceiver(set, cfg, func() error { return nil }, next, &stream{
		source: metadata.AttributeEventSourceAudit,
		open: func() (events, error) {
			if len(h.sockets) == 0 {
				return nil, h.openErr
			}
			s := h.sockets[0]
			h.sockets = h.sockets[1:]
			return s, nil
		},
	})
	require.NoError(t, err)
	t.Cleanup(h.stop)
	return h
}

func (h *logsHarness) start() *logsHarness {
	h.t.Helper()
	require.NoError(h.t, h.receiver.Start(context.Background(), componenttest.NewNopHost()))
	return h
}

func (h *logsHarness) stop() {
	h.ticking()
	require.NoError(h.t, h.receiver.Shutdown(context.Background()))
}

func (h *logsHarness) tick() { h.receiver.tick(h.ctx) }

// next waits for the next records.
func (h *logsHarness) next() []plog.LogRecord {
	h.t.Helper()
	select {
	case all := <-h.handed:
		return all
	case <-time.After(10 * time.Second):
		require.Fail(h.t, "no records")
		return nil
	}
}

// lines are what was logged since the last call: the level, the message, and the
// error.
func (h *logsHarness) lines() []string {
	var lines []string
	for _, entry := range h.logs.TakeAll() {
		line := entry.Level.String() + ": " + entry.Message
		if err, ok := entry.ContextMap()["error"]; ok {
			line += fmt.Sprint(": ", err)
		}
		lines = append(lines, line)
	}
	return lines
}

func someRecords(n int) drain {
	return drain{record: func(r *recorder) {
		for range n {
			r.Flushed(0)
		}
	}}
}

const (
	lineFailed  = "error: Receiving events failed; this is logged once, until it changes: "
	lineWorks   = "info: Receiving events works again"
	lineDropped = "error: Log records are dropped; this is logged once, until it is over. The event xfrm.events.lost then says how many: "
	lineTaken   = "info: Log records are no longer dropped"
)

func TestRecordsLeaveAtOnce(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s).start()
	s.arrived <- someRecords(2)
	assert.Len(t, h.next(), 2)
	assert.Empty(t, h.lines())
}

func TestDropsOfAnIntervalLeaveAtItsEnd(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s).start()
	s.arrived <- drain{record: func(r *recorder) {
		for range 4 {
			r.drop(aDrop(1, time.UnixMilli(1)))
		}
	}}
	assert.Equal(t, "1 packet from 10.0.0.1 was dropped: there is no security association with SPI 0x00000001", h.next()[0].Body().Str())
	h.tick()
	assert.Equal(t, "3 packets from 10.0.0.1 were dropped: there is no security association with SPI 0x00000001", h.next()[0].Body().Str())
}

func TestWhatIsPendingLeavesAtShutdown(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s).start()
	s.arrived <- drain{record: func(r *recorder) {
		r.drop(aDrop(1, time.UnixMilli(1)))
		r.drop(aDrop(1, time.UnixMilli(1)))
	}}
	h.next()
	h.stop()
	assert.Len(t, h.next(), 1)
	assert.True(t, s.isClosed())
	assert.Empty(t, h.lines())
}

func TestOverrunsAndWhatTheKernelCountsAreSaid(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s).start()
	s.arrived <- drain{overrun: true}
	assert.Equal(t, []map[string]any{{"xfrm.event.source": "audit"}}, lostOf(h.next()))
	s.says(7, nil)
	h.tick()
	assert.Equal(t, []map[string]any{{"xfrm.event.source": "audit", "xfrm.event.count": int64(7)}}, lostOf(h.next()))
	assert.Empty(t, h.lines())
}

func TestAMalformedEventIsLoggedOnceAndCostsItselfAlone(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s).start()
	for _, err := range []error{netlink.ErrMalformed, netlink.ErrMalformed, audit.ErrMalformed} {
		d := someRecords(1)
		d.err = fmt.Errorf("%w: too short", err)
		s.arrived <- d
		assert.Len(t, h.next(), 1)
	}
	h.stop()
	assert.Equal(t, []string{"warn: An event was malformed and is missing; further ones are not logged: malformed netlink message: too short"}, h.lines())
}

func TestASocketThatFailsIsOpenedAgain(t *testing.T) {
	first, second, third := newFakeSocket(), newFakeSocket(), newFakeSocket()
	h := newLogsHarness(t, first, second, third).start()
	for i, s := range []*fakeSocket{first, second} {
		s.arrived <- drain{err: errors.New("it broke")}
		assert.Equal(t, []map[string]any{{"xfrm.event.source": "audit"}}, lostOf(h.next()), "until it is open again, events are missing")
		<-s.closed
		if i == 0 {
			assert.Equal(t, []string{lineFailed + "it broke"}, h.lines())
		}
		h.receiver.streams[0].waitEnded(t)
		h.tick()
		assert.Empty(t, h.lines(), "it may break again")
	}
	third.arrived <- someRecords(1)
	assert.Len(t, h.next(), 1)
	h.tick()
	h.tick()
	assert.Equal(t, []string{lineWorks}, h.lines())
}

// waitEnded waits until a failed socket has been put away.
func (s *stream) waitEnded(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.current == nil
	}, 10*time.Second, time.Millisecond)
}

func TestWhatCannotBeOpenedIsTriedAgain(t *testing.T) {
	h := newLogsHarness(t)
	h.openErr = errors.New("not permitted")
	h.start()
	h.tick()
	h.tick()
	assert.Equal(t, "audit", h.logs.All()[0].ContextMap()["source"])
	assert.Equal(t, []string{lineFailed + "not permitted"}, h.lines())
	h.openErr = errors.New("no protocol")
	h.tick()
	assert.Equal(t, []string{lineFailed + "no protocol"}, h.lines())
	s := newFakeSocket()
	h.sockets = append(h.sockets, s)
	h.tick()
	s.arrived <- someRecords(1)
	assert.Len(t, h.next(), 1)
	h.tick()
	h.tick()
	assert.Equal(t, []string{lineWorks}, h.lines())
}

func TestAConditionIsLoggedOnceAtItsLevel(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s)
	s.says(0, condition{zapcore.InfoLevel, "nobody listens"})
	h.start()
	h.tick()
	assert.Equal(t, []string{"info: nobody listens"}, h.lines())
	s.says(0, condition{zapcore.WarnLevel, "audit is off"})
	h.tick()
	h.tick()
	assert.Equal(t, []string{"warn: audit is off"}, h.lines())
	s.arrived <- someRecords(1)
	assert.Len(t, h.next(), 1, "other events come")
	s.says(0, nil)
	h.tick()
	h.tick()
	assert.Equal(t, []string{lineWorks}, h.lines())
}

func TestRefusedRecordsAreSaidAndLoggedOnce(t *testing.T) {
	for name, refusal := range map[string]error{
		"for now": errors.New("full"), "permanent": consumererror.NewPermanent(errors.New("full")),
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeSocket()
			h := newLogsHarness(t, s)
			// How often the loss alone is handed over depends on who is quicker.
			tried := make(chan int, 100)
			var accepts atomic.Bool
			h.consume = func(_ context.Context, logs plog.Logs) error {
				if accepts.Load() {
					return nil
				}
				n := 0
				for _, record := range logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
					if record.EventName() != "xfrm.events.lost" {
						n++
					}
				}
				if n > 0 {
					tried <- n
				}
				return refusal
			}
			h.start()
			s.arrived <- someRecords(3)
			require.Equal(t, 3, <-tried)
			s.arrived <- someRecords(4)
			require.Equal(t, 4, <-tried)
			h.tick()
			accepts.Store(true)
			h.tick()
			assert.Equal(t, []map[string]any{{"xfrm.event.source": "receiver", "xfrm.event.count": int64(7)}}, lostOf(h.next()))
			s.arrived <- someRecords(1)
			assert.Empty(t, lostOf(h.next()))
			h.stop()
			assert.Equal(t, []string{lineDropped + refusal.Error(), lineTaken}, h.lines())
		})
	}
}

func TestAComponentThatBlocksIsWaitedForWithinBounds(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s)
	blocked, release := make(chan struct{}, 10), make(chan struct{})
	h.consume = func(context.Context, plog.Logs) error {
		blocked <- struct{}{}
		<-release
		return nil
	}
	h.start()
	s.arrived <- someRecords(1)
	<-blocked
	s.arrived <- someRecords(maxPending + 9)
	s.arrived <- drain{} // what came before is recorded
	h.tick()
	h.tick()
	assert.Equal(t, []string{lineDropped + "the next component does not take them in time"}, h.lines())
	close(release)
	assert.Len(t, h.next(), 1)
	all := h.next()
	assert.Len(t, all, maxPending+1)
	assert.Equal(t, []map[string]any{{"xfrm.event.source": "receiver", "xfrm.event.count": int64(9)}}, lostOf(all))
	h.tick()
	h.stop()
	assert.Equal(t, []string{lineTaken}, h.lines())
}

// A component that takes its time gets what is pending.
func TestShutdownLetsAHandOverEnd(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s)
	blocked, release := make(chan struct{}, 2), make(chan struct{})
	h.consume = func(ctx context.Context, _ plog.Logs) error {
		blocked <- struct{}{}
		<-release
		return ctx.Err()
	}
	h.start()
	s.arrived <- someRecords(1)
	<-blocked
	s.arrived <- someRecords(4)
	s.arrived <- drain{}
	time.AfterFunc(10*time.Millisecond, func() { close(release) })
	h.stop()
	assert.Len(t, h.next(), 1)
	assert.Len(t, h.next(), 4)
	assert.Empty(t, h.lines())
}

// block lets the next component block until the end of its context, and waits until it
// does.
func (h *logsHarness) block(s *fakeSocket) {
	blocked := make(chan struct{}, 2)
	h.consume = func(ctx context.Context, _ plog.Logs) error {
		blocked <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	h.start()
	s.arrived <- someRecords(1)
	<-blocked
}

func TestShutdownWhileTheNextComponentBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSocket()
		h := newLogsHarness(t, s)
		h.block(s)
		began := time.Now()
		h.stop()
		assert.Equal(t, shutdownPatience, time.Since(began))
		assert.Equal(t, []string{lineDropped + "context canceled"}, h.lines())
		require.NoError(t, h.receiver.Shutdown(context.Background()), "again")
	})
}

func TestShutdownHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSocket()
		h := newLogsHarness(t, s)
		h.block(s)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		began := time.Now()
		require.NoError(t, h.receiver.Shutdown(ctx))
		assert.Zero(t, time.Since(began))
	})
}

func TestShutdownEndsAlthoughTheNextComponentNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSocket()
		h := newLogsHarness(t, s)
		blocked, release := make(chan struct{}, 2), make(chan struct{})
		h.consume = func(context.Context, plog.Logs) error {
			blocked <- struct{}{}
			<-release
			return nil
		}
		h.start()
		s.arrived <- someRecords(1)
		<-blocked
		began := time.Now()
		require.ErrorContains(t, h.receiver.Shutdown(context.Background()), "the next component still blocks")
		assert.Equal(t, 2*shutdownPatience, time.Since(began))
		close(release)
		<-h.receiver.handedOver
	})
}

func TestShutdownWithoutStartAndAfterAFailedOne(t *testing.T) {
	h := newLogsHarness(t)
	require.NoError(t, h.receiver.Shutdown(context.Background()))
	h.receiver.check = func() error { return errors.New("no proc at /hostfs") }
	require.EqualError(t, h.receiver.Start(context.Background(), componenttest.NewNopHost()), "no proc at /hostfs")
	require.NoError(t, h.receiver.Shutdown(context.Background()))
	assert.Empty(t, h.receiver.streams[0].failure, "nothing was opened")
}

// A tick that Shutdown meets opens nothing, and says nothing.
func TestShutdownDuringATick(t *testing.T) {
	s := newFakeSocket()
	h := newLogsHarness(t, s)
	h.openErr = errors.New("not permitted")
	h.sockets = nil
	h.start()
	h.lines()
	entered := make(chan struct{})
	h.receiver.streams[0].open = func() (events, error) {
		close(entered)
		<-h.ctx.Done()
		return s, nil
	}
	h.receiver.listening.Go(func() { h.receiver.tick(h.ctx) })
	<-entered
	h.stop()
	assert.True(t, s.isClosed())
	h.tick() // as if it had gone on to the next stream: that one does not work again
	assert.Empty(t, h.lines())
}

// The receiver's own ticker ticks.
func TestTheIntervalTicks(t *testing.T) {
	h := newLogsHarness(t)
	h.receiver.interval = time.Millisecond
	opened := make(chan struct{}, 1000)
	h.receiver.streams[0].open = func() (events, error) {
		opened <- struct{}{}
		return nil, errors.New("not permitted")
	}
	h.start()
	for range 3 {
		<-opened
	}
}

// Everything at once, for the race detector.
func TestEventsTicksAndRefusalsAtTheSameTime(t *testing.T) {
	var sockets []*fakeSocket
	for range 20 {
		sockets = append(sockets, newFakeSocket())
	}
	h := newLogsHarness(t, append([]*fakeSocket(nil), sockets...)...)
	h.receiver.interval = time.Millisecond
	var mu sync.Mutex
	var taken, lost, calls int64
	h.consume = func(_ context.Context, logs plog.Logs) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%3 == 0 {
			return errors.New("full")
		}
		for _, record := range records(logs) {
			if record.EventName() != "xfrm.events.lost" {
				taken++
			} else if n, ok := record.Attributes().Get("xfrm.event.count"); ok {
				lost += n.Int()
			}
		}
		return nil
	}
	go func() {
		for range h.handed {
			continue
		}
	}()
	h.start()
	for _, s := range sockets {
		for range 10 {
			s.arrived <- someRecords(5)
		}
		s.arrived <- drain{err: errors.New("it broke")}
	}
	h.ticking()
	for { // the last refusal is said, unless that is refused, too
		h.receiver.mu.Lock()
		isDropping := h.receiver.recorder.isDropping() || h.receiver.recorder.pending > 0
		h.receiver.mu.Unlock()
		mu.Lock()
		all := taken + lost
		mu.Unlock()
		if !isDropping && all == 20*10*5 {
			break
		}
		require.LessOrEqual(t, all, int64(20*10*5))
		h.receiver.wake()
	}
	require.NoError(t, h.receiver.Shutdown(context.Background()))
	close(h.handed)
}

func TestAClosedStreamOpensNothing(t *testing.T) {
	s := &stream{open: func() (events, error) { return newFakeSocket(), nil }}
	s.close()
	opened, _, err := s.tick(context.Background())
	require.NoError(t, err)
	assert.Nil(t, opened)
}
