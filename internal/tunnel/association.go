// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"math"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// association is what is remembered of a security association.
type association struct {
	tunnel    *Tunnel
	direction Direction
	// last are the figures that the tunnel's sums contain, or that the
	// association began with.
	last xfrmnl.Figures
	// sequence is the highest number that was sent or received.
	sequence               uint64
	limits                 xfrmnl.Limits
	added, first, lastUsed uint64
	reqID                  uint32
	protocol               uint8
	// isNew says that it is to be counted as created once its direction is known.
	isNew bool
	// missing says that the last dump lacked the association although no event
	// has ended it.
	missing bool
	// doubted says that what the last dump said is not of this association, or
	// puts it into another tunnel, although no event has told.
	doubted bool
	// seen is the dump that last showed it.
	seen uint64
}

// note keeps what is not added up.
func (a *association) note(sa *xfrmnl.SA) {
	a.limits, a.added, a.first, a.lastUsed = sa.Limits, sa.Added, sa.FirstUsed, sa.LastUsed
	a.sequence = max(sa.OutSequence, sa.InSequence)
}

// join counts the association itself among those of its tunnel.
func (a *association) join() {
	traffic := a.tunnel.Traffic[a.direction]
	traffic.LastUsed = max(traffic.LastUsed, a.lastUsed)
	if a.isNew && a.direction != Unknown {
		traffic.Created++
	}
}

// isAnother reports whether the figures are those of another association, which
// has the identity of this one: it was deleted and added again. (A step of the
// clock can change the time of adding, see xfrm_timer_handler in
// net/xfrm/xfrm_state.c, so that time does not tell.)
func (a *association) isAnother(sa *xfrmnl.SA) bool {
	return fell(sa.Figures, a.last) ||
		a.first != 0 && sa.FirstUsed != a.first ||
		sa.Added != a.added && a.hasMoved(sa)
}

// fell reports whether figures are lower than others. The drops wrap.
func fell(now, last xfrmnl.Figures) bool { return now.Bytes < last.Bytes || now.Packets < last.Packets }

// hasMoved reports whether the association belongs to another tunnel now. The
// source address is not a part of its identity.
func (a *association) hasMoved(sa *xfrmnl.SA) bool {
	return !a.tunnel.Overflow && KeyOf(sa, a.direction) != a.tunnel.Key
}

// count adds to the sums of the tunnel what has been counted since the last time.
func (a *association) count(now xfrmnl.Figures) {
	if a.direction == Unknown {
		return // it is added when the direction is known
	}
	traffic := a.tunnel.Traffic[a.direction]
	grow(&traffic.Bytes, advance64(now.Bytes, a.last.Bytes))
	grow(&traffic.Packets, a.packets(now))
	traffic.LastUsed = max(traffic.LastUsed, a.lastUsed)
	a.tunnel.Replay += advance32(now.Replay, a.last.Replay)
	a.tunnel.ReplayWindow += advance32(now.ReplayWindow, a.last.ReplayWindow)
	a.tunnel.IntegrityFailed += advance32(now.IntegrityFailed, a.last.IntegrityFailed)
	a.last = now
}

// packets returns the packets since the last time. Outbound it is the advance of
// the sequence number: each segment of a segmented packet has one, while the
// kernel counts one packet. IPComp numbers nothing, neither does the kernel for
// hardware that does, and XFRM_MSG_EXPIRE does not tell: then it is the kernel's
// count, too low if packets were segmented.
func (a *association) packets(now xfrmnl.Figures) int64 {
	switch {
	case a.direction != Outbound || now.OutSequence == 0:
		return advance64(now.Packets, a.last.Packets)
	case now.ESN:
		return advance64(now.OutSequence, a.last.OutSequence)
	default:
		return advance32(uint32(now.OutSequence), uint32(a.last.OutSequence))
	}
}

// advance64 returns how far a counter has come. One that fell began again at zero.
func advance64(now, last uint64) int64 {
	if now < last {
		last = 0
	}
	return int64(min(now-last, math.MaxInt64))
}

// advance32 is advance64 for a counter that wraps. One that fell by less than it
// would have risen by wrapping began again at zero.
func advance32(now, last uint32) int64 {
	if now < last && now-last > math.MaxInt32 {
		last = 0
	}
	return int64(now - last)
}

// grow adds to a sum, which stays at its largest value. The figures of an
// association are whatever its daemon set (XFRMA_LTIME_VAL).
func grow(sum *int64, by int64) { *sum += min(by, math.MaxInt64-*sum) }

// age returns the age in seconds.
func (a *association) age(now time.Time) float64 {
	return max(0, seconds(now)-float64(a.added))
}

// lifetime returns the highest share of the limits that is used.
func (a *association) lifetime(now time.Time) (share float64, ok bool) {
	of := func(used float64, limit uint64) {
		if limit > 0 {
			share, ok = max(share, min(1, used/float64(limit))), true
		}
	}
	of(float64(a.last.Bytes), a.limits.Bytes)
	of(float64(a.last.Packets), a.limits.Packets)
	of(a.age(now), a.limits.SinceAdded)
	if a.first == 0 {
		of(0, a.limits.SinceUsed)
	} else {
		of(max(0, seconds(now)-float64(a.first)), a.limits.SinceUsed)
	}
	return share, ok
}

// sequenceShare returns the share of the sequence numbers that is used.
func (a *association) sequenceShare() (share float64, ok bool) {
	if a.last.ESN {
		return float64(a.sequence) / math.MaxUint64, true
	}
	return min(1, float64(a.sequence)/math.MaxUint32), a.protocol != xfrmnl.ProtocolIPComp
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
