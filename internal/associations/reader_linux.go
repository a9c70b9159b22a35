// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Reader reads the associations and policies of network namespaces, one after the
// other. It is not safe for concurrent use.
type Reader struct {
	namespaces
	options Options
	// buffer receives messages with keys. It is cleared after each read.
	buffer *netlink.Buffer
	// listener is that of the main namespace, nil until it works.
	listener *listener
}

// NewReader returns a Reader. It reads nothing yet.
func NewReader(options Options) *Reader {
	return &Reader{
		options:    options,
		namespaces: newNamespaces(options.Limits),
		buffer:     netlink.NewBuffer(),
	}
}

// Read reads the associations and policies of one namespace. What it returns is
// valid also if there are errors, which say what is missing.
func (r *Reader) Read(ctx context.Context, ns *netns.Namespace, sockets netns.Sockets) (*Namespace, []error) {
	n := r.of(ns)
	n.Counted, n.Dumped = false, false
	fd, err := Open(sockets, unix.NETLINK_XFRM)
	if err != nil {
		return n, []error{err}
	}
	conn, err := netlink.NewConn(fd, r.buffer)
	if err != nil {
		return n, []error{err}
	}
	defer func() { _ = conn.Close() }()
	if r.options.Counts {
		if n.Associations, n.Policies, err = xfrmnl.Counts(ctx, conn); err != nil {
			return n, []error{Explain(err)}
		}
		n.Counted = true
	}
	if !r.options.Tunnels {
		return n, nil
	}
	return n, r.readTunnels(ctx, n, ns.IsMain(), conn, sockets)
}

func (r *Reader) readTunnels(ctx context.Context, n *Namespace, isMain bool, conn *netlink.Conn, sockets netns.Sockets) (errs []error) {
	note := func(err error) {
		// What forbids to listen forbids the dump too. It is one error.
		if err != nil && !slices.Contains(errs, err) {
			errs = append(errs, err)
		}
	}
	host := NewHost(ctx, sockets)
	defer host.Close()
	if isMain {
		note(r.listen(n, sockets))
	}
	events := isMain && r.listener != nil
	if events {
		note(r.listener.drain())
	}
	n.Tunnels.BeginDump(time.Now(), host, events)
	err := xfrmnl.DumpSAs(ctx, conn, n.Tunnels.Row)
	switch {
	case errors.Is(err, xfrmnl.ErrMalformed): // it costs what is malformed alone
		note(err)
	case err != nil:
		note(Explain(err))
		return errs
	}
	if events {
		// What ended during the dump is known before the dump is judged.
		note(r.listener.drain())
	}
	n.Tunnels.EndDump(time.Now())
	n.Dumped = true
	tunnels, associations := n.Tunnels.Full()
	if tunnels {
		note(ErrTunnelLimit)
	}
	if associations {
		note(ErrAssociationLimit)
	}
	note(host.err)
	return errs
}

// Open opens a netlink socket in a namespace. The error is ErrNoXfrmUser, or that
// of sockets.
func Open(sockets netns.Sockets, protocol int) (int, error) {
	fd, err := sockets.OpenSocket(protocol)
	if errors.Is(err, netns.ErrNoProtocol) && protocol == unix.NETLINK_XFRM {
		err = ErrNoXfrmUser
	}
	return fd, err
}

// listen listens to the events of the main namespace, unless it already does.
func (r *Reader) listen(n *Namespace, sockets netns.Sockets) error {
	if r.listener != nil && r.listener.isAlive() {
		return nil
	}
	r.Close()
	var err error
	r.listener, err = newListener(n.Tunnels, sockets)
	return err
}

// Close ends the listening, and waits for that.
func (r *Reader) Close() {
	if r.listener != nil {
		r.listener.close()
		r.listener = nil
	}
}

// Explain says which capability is missing.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		return ErrNotPermitted
	}
	return fmt.Errorf("NETLINK_XFRM: %w", err)
}
