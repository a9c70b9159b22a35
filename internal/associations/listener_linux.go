// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// listener passes the ends of associations to an Accumulator. Its sockets stay
// open; those of other namespaces than the main one would keep them alive.
type listener struct {
	tunnels *tunnel.Accumulator
	conn    *netlink.Conn
	host    *Host

	// mu is held while events are read.
	mu sync.Mutex
	// err is what the last scrape has not been told.
	err  error
	done chan struct{}
}

// newListener starts to listen. It opens all sockets now.
func newListener(tunnels *tunnel.Accumulator, sockets netns.Sockets) (*listener, error) {
	fd, err := Open(sockets, unix.NETLINK_XFRM)
	if err != nil {
		return nil, err
	}
	conn, err := netlink.NewListener(fd, netlink.NewBuffer())
	if err != nil {
		return nil, err
	}
	l := &listener{
		tunnels: tunnels,
		conn:    conn,
		host:    NewHost(context.Background(), sockets),
		done:    make(chan struct{}),
	}
	if err := l.conn.Join(xfrmnl.GroupExpire, xfrmnl.GroupSA); err != nil {
		_ = l.conn.Close()
		return nil, Explain(err)
	}
	if err := l.host.Open(); err != nil {
		_ = l.conn.Close()
		return nil, err
	}
	go l.run()
	return l, nil
}

// run reads events until close.
func (l *listener) run() {
	defer close(l.done)
	for l.conn.Wait() == nil {
		if l.read() != nil {
			return
		}
	}
}

// read reads the events that have arrived.
func (l *listener) read() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.host.Again()
	overrun, err := l.conn.Drain(l.handle)
	if overrun {
		l.err = ErrOverrun
	}
	if errors.Is(err, netlink.ErrMalformed) {
		l.err, err = err, nil // it costs itself alone
	}
	return err
}

// drain reads the events that have arrived, and returns what went wrong since the
// last time.
func (l *listener) drain() error {
	err := l.read()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.err
	}
	l.err = nil
	if err != nil && !errors.Is(err, ErrOverrun) {
		err = fmt.Errorf("events of NETLINK_XFRM: %w", err)
	}
	return err
}

// handle takes one event. A malformed one costs itself alone.
func (l *listener) handle(m netlink.Message) {
	var sa xfrmnl.SA
	kind, err := xfrmnl.DecodeEvent(m, &sa)
	if err != nil {
		l.err = err
		return
	}
	switch now := time.Now(); kind {
	case xfrmnl.Added:
		l.tunnels.Added(&sa, l.host)
	case xfrmnl.Updated:
		l.tunnels.Updated(&sa, l.host)
	case xfrmnl.Deleted:
		l.tunnels.Deleted(&sa, l.host, now)
	case xfrmnl.ExpiredHard:
		l.tunnels.Expired(&sa, l.host, now)
	case xfrmnl.Flushed:
		l.tunnels.Flushed(sa.Protocol, now)
	}
}

func (l *listener) isAlive() bool {
	select {
	case <-l.done:
		return false
	default:
		return true
	}
}

func (l *listener) close() {
	_ = l.conn.Close()
	<-l.done
	l.host.Close()
}
