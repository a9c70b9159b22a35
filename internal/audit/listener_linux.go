// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// From include/uapi/linux/audit.h.
const (
	typeGet     = 1000 // AUDIT_GET
	typeIPsec   = 1415 // AUDIT_MAC_IPSEC_EVENT
	groupRecord = 1    // AUDIT_NLGRP_READLOG
)

// Listener receives the records of dropped packets, of all network namespaces. It
// does not replace an audit daemon, and takes nothing away from it.
type Listener struct{ conn *netlink.Conn }

// Listen starts to receive. sockets must be those of the initial network namespace:
// a socket of another one receives nothing, without an error (see
// HasInitialNamespace). The error is ErrNoAudit or ErrNotPermitted, or names the
// system call.
//
// If audit is on, the kernel records who starts and ends to receive
// (AUDIT_EVENT_LISTENER).
func Listen(sockets netns.Sockets) (*Listener, error) {
	return listen(sockets, typeIPsec, groupRecord)
}

func listen(sockets netns.Sockets, messageType uint16, groups ...int) (*Listener, error) {
	fd, err := open(sockets)
	if err != nil {
		return nil, err
	}
	// First the filter: no other record arrives at all.
	if err := attachFilter(fd, messageType); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	conn, err := netlink.NewListener(fd, netlink.NewBuffer())
	if err != nil {
		return nil, err
	}
	if err := conn.Join(groups...); err != nil {
		_ = conn.Close()
		if errors.Is(err, unix.EPERM) {
			return nil, ErrNotPermitted
		}
		return nil, fmt.Errorf("NETLINK_AUDIT: %w", err)
	}
	return &Listener{conn: conn}, nil
}

// Wait waits until there is something to drain. It returns an error after Close.
func (l *Listener) Wait() error { return l.conn.Wait() }

// Drain passes some of the drops that have been recorded to f. overrun says that
// records came faster than they were read, and that the kernel dropped some. A
// malformed record costs itself alone; err is then the last such error.
func (l *Listener) Drain(f func(Drop)) (overrun bool, err error) {
	return l.conn.DrainSome(func(m netlink.Message) error { return handle(m, f) })
}

// handle passes what a message describes to f, if it is a drop. It does not look
// into messages of other types.
func handle(m netlink.Message, f func(Drop)) error {
	if m.Type != typeIPsec {
		return nil
	}
	d, isDrop, err := Parse(m.Data)
	if isDrop {
		f(d)
	}
	return err
}

// Close ends the receiving, and Wait.
func (l *Listener) Close() error { return l.conn.Close() }

// GetStatus asks the kernel for the state of audit. The error is ErrNoAudit or
// ErrStatusNotPermitted, or names the system call.
func GetStatus(ctx context.Context, sockets netns.Sockets) (s Status, err error) {
	// A socket of its own: the filter of a Listener would drop the answer.
	fd, err := open(sockets)
	if err != nil {
		return Status{}, err
	}
	conn, err := netlink.NewConn(fd, netlink.NewBuffer())
	if err != nil {
		return Status{}, err
	}
	defer func() { _ = conn.Close() }()
	err = conn.Exchange(ctx, func(m netlink.Message) error {
		s, err = decodeStatus(m.Data)
		return err
	}, netlink.Request{Type: typeGet})
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ECONNREFUSED):
		// ECONNREFUSED is how the kernel refuses other user namespaces
		// (audit_netlink_ok in kernel/audit.c).
		return Status{}, ErrStatusNotPermitted
	case err != nil:
		return Status{}, fmt.Errorf("NETLINK_AUDIT: %w", err)
	}
	return s, nil
}

func open(sockets netns.Sockets) (fd int, err error) {
	fd, err = sockets.OpenSocket(unix.NETLINK_AUDIT)
	if errors.Is(err, netns.ErrNoProtocol) {
		return -1, ErrNoAudit
	}
	return fd, err
}
