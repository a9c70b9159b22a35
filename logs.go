// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
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
	// recorded says that there are records.
	recorded chan struct{}

	cancel  context.CancelFunc
	running sync.WaitGroup
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
		logger:   set.Logger.WithOptions(zap.AddStacktrace(zapcore.DPanicLevel)),
		next:     next,
		report:   report,
		streams:  streams,
		check:    check,
		interval: cfg.Logs.Interval,
		recorder: newRecorder(set, cfg),
		recorded: make(chan struct{}, 1),
	}, nil
}

// Start begins to listen. What fails is logged once and tried again.
func (r *logsReceiver) Start(context.Context, component.Host) error {
	if err := r.check(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.tick()
	r.running.Go(func() { r.tickUntil(ctx) })
	r.running.Go(func() { r.handOverUntil(ctx) })
	return nil
}

// Shutdown hands over what has been recorded, and ends all goroutines.
func (r *logsReceiver) Shutdown(ctx context.Context) error {
	if r.cancel == nil {
		return nil // it was not started
	}
	r.cancel()
	for _, s := range r.streams {
		s.close()
	}
	r.running.Wait()
	r.mu.Lock()
	r.recorder.flush()
	r.mu.Unlock()
	const patience = time.Second // for a consumer that blocks
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r.handOver(ctx)
	return nil
}

func (r *logsReceiver) tickUntil(ctx context.Context) {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.tick()
		}
	}
}

// tick opens what is not open, and records what is reported once in an interval.
func (r *logsReceiver) tick() {
	for _, s := range r.streams {
		lost, err := s.tick()
		r.note(s, err)
		if lost > 0 {
			r.mu.Lock()
			r.recorder.lost(s.source, lost)
			r.mu.Unlock()
		}
		if events := s.opened(); events != nil {
			r.running.Go(func() { r.listen(s, events) })
		}
	}
	r.mu.Lock()
	r.recorder.flush()
	r.mu.Unlock()
	r.wake()
}

// note logs what is wrong with a stream, when it begins and when it is over.
func (r *logsReceiver) note(s *stream, err error) {
	text, condition := "", condition{}
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == s.failure:
	case errors.As(err, &condition):
		r.logger.Log(condition.level, condition.text)
	case text != "":
		r.logger.Error("Receiving events failed; this is logged once, until it changes", zap.Error(err))
	default:
		r.logger.Info("Receiving events works again", zap.String("previous_error", s.failure))
	}
	s.failure = text
}

// listen records the events of a stream until it is closed.
func (r *logsReceiver) listen(s *stream, events events) {
	defer s.ended(events)
	for events.Wait() == nil {
		r.mu.Lock()
		overrun, err := events.Drain(r.recorder)
		if overrun {
			r.recorder.lost(s.source, 0)
		}
		r.mu.Unlock()
		r.wake()
		if err != nil && !s.isNoted(err) {
			r.logger.Warn("An event was malformed and is missing; further ones are not logged", zap.Error(err))
		}
	}
}

func (r *logsReceiver) wake() {
	select {
	case r.recorded <- struct{}{}:
	default: // it is awake
	}
}

func (r *logsReceiver) handOverUntil(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.recorded:
			r.handOver(ctx)
		}
	}
}

// handOver hands over what has been recorded. The next component may block; the
// recorder meanwhile keeps up to maxPending records.
func (r *logsReceiver) handOver(ctx context.Context) {
	r.mu.Lock()
	logs := r.recorder.take(time.Now())
	r.mu.Unlock()
	n := logs.LogRecordCount()
	if n == 0 {
		return
	}
	ctx = r.report.StartLogsOp(ctx)
	err := r.next.ConsumeLogs(ctx, logs)
	r.report.EndLogsOp(ctx, metadata.Type.String(), n, err)
	if err != nil {
		r.mu.Lock()
		r.recorder.dropped += int64(n)
		r.mu.Unlock()
		r.logger.Error("Log records were dropped, the next component refused them", zap.Int("records", n), zap.Error(err))
	}
}
