// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"errors"
	"fmt"
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
// valid also if there is an error; it then says what is missing.
func (r *Reader) Read(ctx context.Context, ns *netns.Namespace, sockets netns.Sockets) (*Namespace, error) {
	n := r.of(ns)
	n.Counted, n.Dumped = false, false
	fd, err := sockets.OpenSocket(unix.NETLINK_XFRM)
	if errors.Is(err, netns.ErrNoProtocol) {
		return n, ErrNoXfrmUser
	}
	if err != nil {
		return n, err
	}
	conn, err := netlink.NewConn(fd, r.buffer)
	if err != nil {
		return n, err
	}
	defer conn.Close()
	if r.options.Counts {
		if n.Associations, n.Policies, err = xfrmnl.Counts(ctx, conn); err != nil {
			return n, explain(err)
		}
		n.Counted = true
	}
	if !r.options.Tunnels {
		return n, nil
	}
	return n, r.readTunnels(ctx, n, ns.IsMain(), conn, sockets)
}

func (r *Reader) readTunnels(ctx context.Context, n *Namespace, isMain bool, conn *netlink.Conn, sockets netns.Sockets) error {
	host := &host{ctx: ctx, sockets: sockets}
	defer host.close()
	var errs []error
	if isMain {
		errs = append(errs, r.listen(n, sockets))
	}
	events := isMain && r.listener != nil
	if events {
		errs = append(errs, r.listener.drain())
	}
	n.Tunnels.BeginDump(time.Now(), host, events)
	err := xfrmnl.DumpSAs(ctx, conn, n.Tunnels.Row)
	if errors.Is(err, xfrmnl.ErrMalformed) {
		errs = append(errs, err) // it costs what is malformed alone
	} else if err != nil {
		return errors.Join(append(errs, explain(err))...)
	}
	if events {
		// What ended during the dump is known before the dump is judged.
		errs = append(errs, r.listener.drain())
	}
	n.Tunnels.EndDump(time.Now())
	n.Dumped = true
	tunnels, associations := n.Tunnels.Full()
	if tunnels {
		errs = append(errs, ErrTunnelLimit)
	}
	if associations {
		errs = append(errs, ErrAssociationLimit)
	}
	return errors.Join(append(errs, host.err)...)
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

// explain says which capability is missing.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		return ErrNotPermitted
	}
	return fmt.Errorf("NETLINK_XFRM: %w", err)
}
