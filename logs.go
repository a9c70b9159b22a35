// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// logsReceiver turns what the kernel tells about IPsec into log records. Each stream
// of events has a goroutine that records, and one more hands the records over.
type logsReceiver struct {
	logger  *zap.Logger
	next    consumer.Logs
	report  *receiverhelper.ObsReport
	streams []*stream
	// check fails if what the configuration names does not exist at the start.
	check func() error
	// interval is how often what does not listen yet tries again, and what the
	// streams report once in an interval.
	interval time.Duration

	// mu guards the recorder. It is held while events are recorded.
	mu       sync.Mutex
	recorder *recorder
	// isDropping says that dropped records have been logged.
	isDropping atomic.Bool

	// stop ends the listening, and listening waits for that.
	stop      context.CancelFunc
	listening sync.WaitGroup
	// recorded says that there are records. It is closed after the last one.
	recorded chan struct{}
	// abandon ends the handing over, and handedOver is closed then.
	abandon    context.CancelFunc
	handedOver chan struct{}
}

func newLogsReceiver(set receiver.Settings, cfg *Config, check func() error, next consumer.Logs, streams ...*stream) (*logsReceiver, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "netlink", ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, err
	}
	return &logsReceiver{
		// A stack of this package does not help an operator.
		logger:     set.Logger.WithOptions(zap.AddStacktrace(zapcore.DPanicLevel)),
		next:       next,
		report:     report,
		streams:    streams,
		check:      check,
		interval:   cfg.Logs.Interval,
		recorder:   newRecorder(set, cfg),
		recorded:   make(chan struct{}, 1),
		handedOver: make(chan struct{}),
	}, nil
}

// Start begins to listen. What fails is logged once and tried again.
func (r *logsReceiver) Start(context.Context, component.Host) error {
	if err := r.check(); err != nil {
		return err
	}
	var listening, handing context.Context
	listening, r.stop = context.WithCancel(context.Background())
	handing, r.abandon = context.WithCancel(context.Background())
	r.tick(listening)
	r.listening.Go(func() { r.tickUntil(listening) })
	go r.handOverUntilClosed(handing)
	return nil
}

// shutdownPatience is how long Shutdown waits for a component that blocks, before
// and again after it ends the context of the call.
const shutdownPatience = 500 * time.Millisecond

// Shutdown hands over what has been recorded, and ends all goroutines. It fails if
// the next component blocks and ignores the end of its context.
func (r *logsReceiver) Shutdown(ctx context.Context) error {
	if r.stop == nil {
		return nil // it was not started, or is shut down
	}
	r.stop()
	r.stop = nil
	for _, s := range r.streams {
		s.close()
	}
	r.listening.Wait()
	r.mu.Lock()
	r.recorder.flush()
	r.mu.Unlock()
	close(r.recorded)

	defer r.abandon()
	if r.hasHandedOver(ctx) {
		return nil
	}
	r.abandon()
	if r.hasHandedOver(context.Background()) {
		return nil
	}
	return errors.New("the next component still blocks, and does not heed the end of its context")
}

func (r *logsReceiver) hasHandedOver(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, shutdownPatience)
	defer cancel()
	select {
	case <-r.handedOver:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *logsReceiver) tickUntil(ctx context.Context) {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.tick(ctx)
		}
	}
}

// tick opens what is not open, and records what is reported once in an interval.
func (r *logsReceiver) tick(ctx context.Context) {
	for _, s := range r.streams {
		opened, lost, err := s.tick(ctx)
		if ctx.Err() != nil {
			return
		}
		if lost > 0 {
			r.lost(s.source, lost)
		}
		if opened != nil {
			r.listening.Go(func() { r.listen(ctx, s, opened) })
		}
		// What was opened again may fail again: it works after an interval.
		if err != nil || opened == nil {
			r.note(s, err)
		}
	}
	r.mu.Lock()
	r.recorder.flush()
	isDropping := r.recorder.isDropping()
	r.mu.Unlock()
	if isDropping {
		r.noteDropping(errors.New("the next component does not take them in time"))
	}
	r.wake()
}

// note logs what is wrong with a stream, when it begins and when it is over.
func (r *logsReceiver) note(s *stream, err error) {
	text, condition := "", condition{}
	if err != nil {
		text = err.Error()
	}
	before := s.fails(text)
	switch {
	case text == before:
	case errors.As(err, &condition):
		r.logger.Log(condition.level, condition.text)
	case err != nil:
		r.logger.Error("Receiving events failed; this is logged once, until it changes", zap.Error(err), zap.Stringer("source", s.source))
	default:
		r.logger.Info("Receiving events works again", zap.String("previous_error", before), zap.Stringer("source", s.source))
	}
}

func (r *logsReceiver) lost(source metadata.AttributeEventSource, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorder.lost(source, n)
}

// listen records the events of a stream until it is closed or fails.
func (r *logsReceiver) listen(ctx context.Context, s *stream, events events) {
	defer s.ended()
	for events.Wait() == nil {
		r.mu.Lock()
		overrun, err := events.Drain(r.recorder)
		r.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		hasFailed := err != nil && !isMalformed(err)
		if overrun || hasFailed {
			r.lost(s.source, 0)
		}
		r.wake()
		if hasFailed {
			r.note(s, err)
			return
		}
		if err != nil && s.isFirstMalformed() {
			r.logger.Warn("An event was malformed and is missing; further ones are not logged", zap.Error(err))
		}
	}
}

func isMalformed(err error) bool {
	return errors.Is(err, netlink.ErrMalformed) || errors.Is(err, audit.ErrMalformed)
}

func (r *logsReceiver) wake() {
	select {
	case r.recorded <- struct{}{}:
	default: // it is awake
	}
}

func (r *logsReceiver) handOverUntilClosed(ctx context.Context) {
	defer close(r.handedOver)
	for range r.recorded {
		r.handOver(ctx)
	}
	r.handOver(ctx)
}

// handOver hands over what has been recorded. The next component may block; the
// recorder meanwhile keeps up to maxPending records. What the component refuses is
// dropped, also if it could take it later: the queue of an exporter retries.
func (r *logsReceiver) handOver(ctx context.Context) {
	r.mu.Lock()
	batch := r.recorder.take(time.Now())
	r.mu.Unlock()
	n := batch.logs.LogRecordCount()
	if n == 0 {
		return
	}
	finish(batch.logs, time.Now())
	ctx = r.report.StartLogsOp(ctx)
	err := r.next.ConsumeLogs(ctx, batch.logs)
	r.report.EndLogsOp(ctx, metadata.Type.String(), n, err)
	r.mu.Lock()
	if err != nil {
		r.recorder.refused(batch)
	}
	isDropping := r.recorder.isDropping()
	r.mu.Unlock()
	switch {
	case err != nil:
		r.noteDropping(err)
	case !isDropping && r.isDropping.Swap(false):
		r.logger.Info("Log records are no longer dropped")
	}
}

// noteDropping logs that records are dropped, when it begins.
func (r *logsReceiver) noteDropping(err error) {
	if !r.isDropping.Swap(true) {
		r.logger.Error("Log records are dropped; this is logged once, until it is over. "+
			"The event xfrm.events.lost then says how many", zap.Error(err))
	}
}
