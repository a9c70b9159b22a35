// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Wants says which events are asked for. What none of them needs is not listened
// to.
type Wants struct {
	Acquires, Created, Deleted, Expired, Mappings, Policies bool
}

// groups are the multicast groups that are joined at once. ACQUIRE is not one of
// them, see Listener.JoinAcquires.
func (w Wants) groups() []int {
	var all []int
	if w.Acquires {
		all = append(all, groupOwn)
	}
	if w.Acquires || w.Expired || w.Policies { // of acquires that expire unanswered, and of policies
		all = append(all, xfrmnl.GroupExpire)
	}
	if w.Created || w.Deleted {
		all = append(all, xfrmnl.GroupSA)
	}
	if w.Policies {
		all = append(all, xfrmnl.GroupPolicy)
	}
	if w.Mappings {
		all = append(all, xfrmnl.GroupMapping)
	}
	return all
}

// Association is one that something happened to.
type Association struct {
	xfrmnl.SA
	// Tunnel is what it belongs to, Interface the name of that one's interface, or
	// empty.
	Tunnel    tunnel.Key
	Direction tunnel.Direction
	Interface string
}

func newAssociation(sa *xfrmnl.SA, host tunnel.Host) Association {
	one := Association{SA: *sa, Direction: tunnel.DirectionOf(sa, host)}
	one.Tunnel = tunnel.KeyOf(sa, one.Direction)
	if one.Tunnel.IfID != 0 || one.Tunnel.Mark != 0 {
		one.Interface = host.InterfaceOf(one.Tunnel)
	}
	return one
}

// newExpired returns the association of an XFRM_MSG_EXPIRE. The message has no
// sequence numbers, so packets without them do not tell that it was inbound.
func newExpired(sa *xfrmnl.SA, host tunnel.Host) Association {
	withoutPackets := *sa
	withoutPackets.Packets = 0
	one := newAssociation(&withoutPackets, host)
	one.Packets = sa.Packets
	return one
}

// neverWasComplete reports whether the association of an XFRM_MSG_EXPIRE was
// larval, which the message does not tell: it has no SPI, or it was not used and has
// the one limit that the kernel sets when a daemon asks for an SPI (xfrm_alloc_spi
// in net/xfrm/xfrm_state.c). strongSwan names no reqid then, libreswan does.
func neverWasComplete(sa *xfrmnl.SA) bool {
	const acquireExpires = 30 // the default of net.core.xfrm_acq_expires, in seconds
	limits := xfrmnl.Limits{SinceAdded: sa.Limits.SinceAdded}
	onlyTime := sa.SoftLimits == xfrmnl.Limits{} && sa.Limits == limits
	return sa.SPI == 0 ||
		sa.Packets == 0 && onlyTime && (sa.ReqID == 0 || limits.SinceAdded == acquireExpires)
}

// Limit returns which limit the association has reached: "time", "use_time",
// "bytes", "packets", or "unknown". now is in seconds of Unix time.
func (a *Association) Limit(hard bool, now uint64) string {
	limits := a.SoftLimits
	if hard {
		limits = a.Limits
	}
	reached := func(used, limit uint64) bool { return limit > 0 && used >= limit }
	switch {
	case reached(a.Packets, limits.Packets):
		return "packets"
	case reached(a.Bytes, limits.Bytes):
		return "bytes"
	case reached(since(a.Added, now), limits.SinceAdded):
		return "time"
	case a.FirstUsed > 0 && reached(since(a.FirstUsed, now), limits.SinceUsed):
		return "use_time"
	default:
		return "unknown"
	}
}

// Age returns the age in seconds.
func (a *Association) Age(now uint64) uint64 { return since(a.Added, now) }

func since(then, now uint64) uint64 { return now - min(then, now) }

// Handler takes events. It must not block, nor keep what it is passed.
type Handler interface {
	// Acquire is called when a flow waits for an association, and again,
	// unanswered, when it has waited in vain.
	Acquire(acquire xfrmnl.Acquire, unanswered bool)
	// Created is called when an association was added, or a larval one completed.
	// An update of a complete one looks the same.
	Created(a Association)
	Deleted(a Association)
	Expired(a Association, hard bool)
	// Flushed is called when all associations of a protocol were deleted, 0 or 255
	// means of IPsec.
	Flushed(protocol uint8)
	Mapping(m xfrmnl.Mapping)
	Policy(kind xfrmnl.PolicyKind, p xfrmnl.Policy)
}
