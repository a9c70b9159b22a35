// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import "net/netip"

// SA is a security association: struct xfrm_usersa_info and the attributes behind
// it, without the algorithms and their keys.
type SA struct {
	ID
	// Source is the outer source address.
	Source netip.Addr
	// Mode is XFRM_MODE_*.
	Mode uint8
	// ReqID links the SA to the templates of policies; 0 if none is set.
	ReqID uint32
	// IfID is XFRMA_IF_ID, 0 if the SA has none.
	IfID uint32
	// Direction is XFRMA_SA_DIR (Linux 6.10), DirectionUnset if the SA has none.
	Direction Direction
	// Larval says that the SA has no algorithm yet: its SPI is allocated, or a
	// flow waits for it, and the negotiation has not ended.
	Larval bool

	// Figures are what the SA has counted.
	Figures
	// Limits end the life of the SA. When SoftLimits are reached, the IKE daemon is
	// told to replace it.
	Limits, SoftLimits Limits

	// Acquire is the number of the XFRM_MSG_ACQUIRE that a larval SA answers, 0 if
	// there was none.
	Acquire uint32

	// Added is when the SA was added, in seconds of Unix time. An SA that moved
	// to another address keeps it.
	Added uint64
	// FirstUsed is when it was first used, in seconds of Unix time, or 0.
	FirstUsed uint64
	// LastUsed is when it was last used, in seconds of Unix time (XFRMA_LASTUSED).
	// 0 before the first packet, and always before Linux 6.2.
	LastUsed uint64
}

// ID identifies an SA within its network namespace and its family. It is
// comparable.
type ID struct {
	Destination netip.Addr
	// SPI is the security parameter index (RFC 4301, section 4.1).
	SPI uint32
	// Protocol is the number of an IP protocol: ESP, AH, IPComp or another.
	Protocol uint8
	// Mark and MarkMask are XFRMA_MARK, both 0 if the SA has none.
	Mark, MarkMask uint32
}

// Figures are the counters of an SA.
type Figures struct {
	// Bytes of the inner packets, Packets as the kernel counts them: a segmented
	// (GSO) packet may count as one.
	Bytes, Packets uint64
	// OutSequence is the sequence number of the last packet sent, InSequence the
	// highest that was received. InSequence stays 0 without a replay window.
	OutSequence, InSequence uint64
	// ESN says that sequence numbers have 64 bits (RFC 4304), otherwise 32.
	ESN bool
	// The packets that were dropped because their number was seen before (Replay)
	// or lies left of the window (ReplayWindow), and those whose integrity check
	// failed. They wrap.
	Replay, ReplayWindow, IntegrityFailed uint32
}

// Limits are limits of an SA. 0 means none.
type Limits struct {
	Bytes, Packets uint64
	// SinceAdded and SinceUsed are in seconds.
	SinceAdded, SinceUsed uint64
}

// Direction is XFRMA_SA_DIR.
type Direction uint8

// The values of XFRMA_SA_DIR (XFRM_SA_DIR_*).
const (
	DirectionUnset Direction = iota
	DirectionIn
	DirectionOut
)

// The protocols that make a tunnel (IPPROTO_*).
const (
	ProtocolESP    = 50
	ProtocolAH     = 51
	ProtocolIPComp = 108
)
