// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// ErrMalformed says that a message does not have the form that the kernel's headers
// describe.
var ErrMalformed = netlink.ErrMalformed

// The offsets in struct xfrm_usersa_info. Before it stands the selector.
const (
	offsetID       = 56
	offsetSource   = 80
	offsetLimits   = 96
	offsetCurrent  = 160
	offsetStats    = 192
	offsetSequence = 204
	offsetReqID    = 208
	offsetFamily   = 212
	offsetMode     = 214
	offsetFlags    = 216
	sizeSAInfoUsed = 217

	// sizeSAID is the size of struct xfrm_usersa_id.
	sizeSAID = 24

	flagESN = 0x80 // XFRM_STATE_ESN

	familyINET  = 2  // AF_INET
	familyINET6 = 10 // AF_INET6
)

// decodeSA decodes a message that consists of struct xfrm_usersa_info, up to size,
// and attributes.
func decodeSA(sa *SA, data []byte, size int) error {
	if len(data) < sizeSAInfoUsed {
		return tooShort("an association", len(data), sizeSAInfoUsed)
	}
	if err := decodeInfo(sa, data); err != nil {
		return err
	}
	return decodeAttributes(sa, data[offsetFlags], data[min(size, len(data)):])
}

// decodeDeleted decodes XFRM_MSG_DELSA: struct xfrm_usersa_id and attributes, of
// which XFRMA_SA is the association.
func decodeDeleted(sa *SA, data []byte) error {
	if len(data) < sizeSAID {
		return tooShort("the end of an association", len(data), sizeSAID)
	}
	var info []byte
	attributes := data[sizeSAID:]
	err := netlink.Attributes(attributes, func(kind uint16, value []byte) {
		if kind == attrSA {
			info = value
		}
	})
	if err != nil {
		return err
	}
	if len(info) < sizeSAInfoUsed {
		return tooShort("XFRMA_SA", len(info), sizeSAInfoUsed)
	}
	if err := decodeInfo(sa, info); err != nil {
		return err
	}
	return decodeAttributes(sa, info[offsetFlags], attributes)
}

// decodeInfo decodes struct xfrm_usersa_info.
func decodeInfo(sa *SA, info []byte) error {
	family := binary.NativeEndian.Uint16(info[offsetFamily:])
	if err := checkFamily(family); err != nil {
		return err
	}
	u64 := func(offset int) uint64 { return binary.NativeEndian.Uint64(info[offset:]) }
	u32 := func(offset int) uint32 { return binary.NativeEndian.Uint32(info[offset:]) }
	*sa = SA{
		ID: ID{
			Destination: address(family, info[offsetID:]),
			SPI:         binary.BigEndian.Uint32(info[offsetID+16:]),
			Protocol:    info[offsetID+20],
		},
		Source: address(family, info[offsetSource:]),
		Mode:   info[offsetMode],
		ReqID:  u32(offsetReqID),
		Figures: Figures{
			Bytes:           u64(offsetCurrent),
			Packets:         u64(offsetCurrent + 8),
			ReplayWindow:    u32(offsetStats),
			Replay:          u32(offsetStats + 4),
			IntegrityFailed: u32(offsetStats + 8),
		},
		Limits: Limits{
			Bytes:      limit(u64(offsetLimits + 8)),
			Packets:    limit(u64(offsetLimits + 24)),
			SinceAdded: limit(u64(offsetLimits + 40)),
			SinceUsed:  limit(u64(offsetLimits + 56)),
		},
		SoftLimits: Limits{
			Bytes:      limit(u64(offsetLimits)),
			Packets:    limit(u64(offsetLimits + 16)),
			SinceAdded: limit(u64(offsetLimits + 32)),
			SinceUsed:  limit(u64(offsetLimits + 48)),
		},
		Acquire:   u32(offsetSequence),
		Added:     u64(offsetCurrent + 16),
		FirstUsed: u64(offsetCurrent + 24),
	}
	return nil
}

// decodeAttributes decodes what stands beside struct xfrm_usersa_info. It does not
// look into the algorithms, which contain the keys.
func decodeAttributes(sa *SA, flags uint8, attributes []byte) error {
	hasAlgorithm := false
	err := netlink.Attributes(attributes, func(kind uint16, value []byte) {
		u32 := func(offset int) uint64 { return uint64(binary.NativeEndian.Uint32(value[offset:])) }
		switch {
		case kind == attrAlgAuth, kind == attrAlgAuthTrunc, kind == attrAlgCrypt, kind == attrAlgAEAD, kind == attrAlgComp:
			hasAlgorithm = true
		case kind == attrReplay && len(value) >= 12: // struct xfrm_replay_state
			sa.OutSequence, sa.InSequence = u32(0), u32(4)
		case kind == attrReplayESN && len(value) >= 24: // struct xfrm_replay_state_esn
			sa.OutSequence, sa.InSequence = u32(4), u32(8)
			if flags&flagESN != 0 {
				sa.ESN = true
				sa.OutSequence |= u32(12) << 32
				sa.InSequence |= u32(16) << 32
			}
		case kind == attrLastUsed && len(value) >= 8:
			sa.LastUsed = binary.NativeEndian.Uint64(value)
		case kind == attrMark && len(value) >= 8: // struct xfrm_mark
			sa.Mark, sa.MarkMask = uint32(u32(0)), uint32(u32(4))
		case kind == attrIfID && len(value) >= 4:
			sa.IfID = uint32(u32(0))
		case kind == attrSADir && len(value) >= 1:
			sa.Direction = Direction(value[0])
		}
	})
	sa.Larval = !hasAlgorithm
	return err
}

func checkFamily(family uint16) error {
	if family != familyINET && family != familyINET6 {
		return fmt.Errorf("%w: address family %d, expected AF_INET or AF_INET6", ErrMalformed, family)
	}
	return nil
}

// address decodes an xfrm_address_t.
func address(family uint16, data []byte) netip.Addr {
	if family == familyINET {
		return netip.AddrFrom4([4]byte(data))
	}
	return netip.AddrFrom16([16]byte(data))
}

// limit returns 0 for XFRM_INF.
func limit(n uint64) uint64 {
	if n == math.MaxUint64 {
		return 0
	}
	return n
}

func tooShort(what string, length, expected int) error {
	return fmt.Errorf("%w: %s has %d bytes, expected at least %d", ErrMalformed, what, length, expected)
}

var errUnexpected = fmt.Errorf("%w: its type is not XFRM_MSG_NEWSA", ErrMalformed)
