// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"sync"

	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
)

// events are what one socket receives.
type events interface {
	// Wait waits until there is something to drain. It returns an error after
	// Close.
	Wait() error
	// Drain records some of what has arrived. overrun says that the kernel dropped
	// some. An error that isMalformed reports is about an event that costs itself
	// alone; after another nothing more arrives.
	Drain(*recorder) (overrun bool, err error)
	// Tick is called once in each interval. It returns how many events the kernel
	// says that it has lost since the last time. The error says what is missing.
	Tick(context.Context) (lost int64, err error)
	Close()
}

// condition is why events do not come although nothing has failed.
type condition struct {
	level zapcore.Level
	text  string
}

func (c condition) Error() string { return c.text }

// stream is a socket that is opened, and opened again after it failed.
type stream struct {
	// source is what the events are from.
	source metadata.AttributeEventSource
	// open opens the socket.
	open func() (events, error)

	mu       sync.Mutex
	current  events
	isClosed bool
	// failure is what was logged last.
	failure string
	// hasNoted says that a malformed event was logged.
	hasNoted bool
}

// tick opens the socket if it is not open, and lets it do what it does once in each
// interval. If it has opened the socket, it returns it, also beside an error.
func (s *stream) tick(ctx context.Context) (opened events, lost int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return nil, 0, nil
	}
	if s.current == nil {
		if opened, err = s.open(); err != nil {
			return nil, 0, err
		}
		s.current = opened
	}
	lost, err = s.current.Tick(ctx)
	return opened, lost, err
}

// ended notes that nobody listens any more. The next tick opens the socket again.
func (s *stream) ended() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Close()
	s.current = nil
}

// close closes the socket for good.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isClosed = true
	if s.current != nil {
		s.current.Close()
	}
}

// fails notes what is wrong, or nothing. It returns what was wrong before.
func (s *stream) fails(text string) (before string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.failure = s.failure, text
	return before
}

// isFirstMalformed reports whether no malformed event was logged before.
func (s *stream) isFirstMalformed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.hasNoted
	s.hasNoted = true
	return !before
}
