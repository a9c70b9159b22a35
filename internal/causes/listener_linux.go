// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Listener receives the events of the main network namespace.
type Listener struct {
	conn *netlink.Conn
	host *associations.Host
	// wants are the events that are asked for.
	wants Wants
	// hasJoined says that the socket is in the group ACQUIRE.
	hasJoined bool
	// hasAcquired says that the last Drain had an acquire.
	hasAcquired bool

	acquires acquires
	mappings mappings
}

// Listen starts to receive. The error is associations.ErrNotPermitted or
// associations.ErrNoXfrmUser, or names the system call.
func Listen(sockets netns.Sockets, wants Wants) (*Listener, error) {
	fd, err := associations.Open(sockets, unix.NETLINK_XFRM)
	if err != nil {
		return nil, err
	}
	conn, err := netlink.NewListener(fd, netlink.NewBuffer())
	if err != nil {
		return nil, err
	}
	l := &Listener{
		conn: conn, wants: wants, host: associations.NewHost(context.Background(), sockets),
		acquires: make(acquires), mappings: make(mappings),
	}
	if err = associations.Explain(conn.Join(wants.groups()...)); err == nil {
		err = l.host.Open()
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// JoinAcquires joins the group ACQUIRE if a socket that is not one of this receiver
// is a member, and leaves it otherwise: the kernel makes a larval association for
// each flow that waits, and holds its packets back, as soon as anybody listens.
// table is the content of /proc/net/netlink.
func (l *Listener) JoinAcquires(table []byte) (joined bool, err error) {
	switch other := hasOtherMember(table); {
	case other == l.hasJoined:
		return l.hasJoined, nil
	case other:
		err = l.conn.Join(xfrmnl.GroupAcquire)
	default:
		err = l.conn.Leave(xfrmnl.GroupAcquire)
	}
	if err == nil {
		l.hasJoined = !l.hasJoined
	}
	return l.hasJoined, associations.Explain(err)
}

// WantsAcquires reports whether acquires are asked for.
func (l *Listener) WantsAcquires() bool { return l.wants.Acquires }

// HasAcquired reports whether the last Drain had an acquire. It must not be called
// while Drain runs.
func (l *Listener) HasAcquired() bool { return l.hasAcquired }

// Wait waits until there is something to drain. It returns an error after Close.
func (l *Listener) Wait() error { return l.conn.Wait() }

// Drain passes some of the events that have arrived to h. overrun says that the kernel
// dropped some. A malformed event costs itself alone; err is then the last such
// error.
func (l *Listener) Drain(h Handler) (overrun bool, err error) {
	l.host.Again()
	l.hasAcquired = false
	return l.conn.DrainSome(func(m netlink.Message) error { return l.handle(m, h) })
}

func (l *Listener) handle(m netlink.Message, h Handler) error {
	var acquire xfrmnl.Acquire
	if ok, err := xfrmnl.DecodeAcquire(m, &acquire); ok || err != nil {
		if ok {
			l.hasAcquired = true
			l.acquires.add(acquire)
			h.Acquire(acquire, false)
		}
		return err
	}
	var mapping xfrmnl.Mapping
	if ok, err := xfrmnl.DecodeMapping(m, &mapping); ok || err != nil {
		if ok && l.mappings.changed(&mapping) {
			h.Mapping(mapping)
		}
		return err
	}
	var policy xfrmnl.Policy
	if kind, err := xfrmnl.DecodePolicyEvent(m, &policy); kind != xfrmnl.PolicyOther || err != nil {
		if err == nil && l.wants.Policies {
			h.Policy(kind, policy)
		}
		return err
	}
	var sa xfrmnl.SA
	kind, err := xfrmnl.DecodeEvent(m, &sa)
	if err != nil {
		return err
	}
	l.handleSA(kind, &sa, h)
	return nil
}

func (l *Listener) handleSA(kind xfrmnl.Kind, sa *xfrmnl.SA, h Handler) {
	switch kind {
	case xfrmnl.Added, xfrmnl.Updated:
		if l.wants.Created && !sa.Larval {
			h.Created(newAssociation(sa, l.host))
		}
	case xfrmnl.Deleted:
		delete(l.mappings, withoutMark(sa.ID))
		if l.wants.Deleted && !sa.Larval {
			h.Deleted(newAssociation(sa, l.host))
		}
	case xfrmnl.ExpiredHard:
		delete(l.mappings, withoutMark(sa.ID))
		if acquire, ok := l.acquires.expire(sa); ok {
			h.Acquire(acquire, true)
		}
		l.expired(sa, true, h)
	case xfrmnl.ExpiredSoft:
		l.expired(sa, false, h)
	case xfrmnl.Flushed:
		clear(l.mappings)
		if l.wants.Deleted {
			h.Flushed(sa.Protocol)
		}
	}
}

func (l *Listener) expired(sa *xfrmnl.SA, hard bool, h Handler) {
	if !l.wants.Expired || neverWasComplete(sa) {
		return
	}
	h.Expired(newExpired(sa, l.host), hard)
}

// Close ends the receiving, and Wait. It waits until a running Drain has returned.
func (l *Listener) Close() {
	_ = l.conn.Close()
	l.host.Close()
}

// withoutMark returns the identity as a Mapping has it.
func withoutMark(id xfrmnl.ID) xfrmnl.ID {
	id.Mark, id.MarkMask = 0, 0
	return id
}
