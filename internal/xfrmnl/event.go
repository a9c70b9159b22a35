// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"fmt"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Kind is what an event says.
type Kind int

// The kinds of events. Other is one that this package does not decode.
const (
	Other Kind = iota
	// Added is XFRM_MSG_NEWSA.
	Added
	// Updated is XFRM_MSG_UPDSA. The figures are those of the request: zeros.
	Updated
	// Deleted is XFRM_MSG_DELSA, with the final figures.
	Deleted
	// ExpiredSoft and ExpiredHard are XFRM_MSG_EXPIRE, without sequence numbers
	// and with Larval set: the message has no algorithms. After a hard one the
	// association is gone, and the figures are final.
	ExpiredSoft
	ExpiredHard
	// Flushed is XFRM_MSG_FLUSHSA: all associations of the protocol of SA.ID were
	// deleted, 0 or 255 means of all.
	Flushed
)

// DecodeEvent decodes a message of the groups SA and EXPIRE.
func DecodeEvent(m netlink.Message, sa *SA) (Kind, error) {
	switch m.Type {
	case msgNewSA:
		return Added, wrap(m, decodeSA(sa, m.Data, sizeSAInfo))
	case msgUpdSA:
		return Updated, wrap(m, decodeSA(sa, m.Data, sizeSAInfo))
	case msgDelSA:
		return Deleted, wrap(m, decodeDeleted(sa, m.Data))
	case msgExpire:
		if len(m.Data) <= sizeSAInfo {
			return Other, wrap(m, tooShort("struct xfrm_user_expire", len(m.Data), sizeSAInfo+1))
		}
		kind := ExpiredSoft
		if m.Data[sizeSAInfo] != 0 {
			kind = ExpiredHard
		}
		return kind, wrap(m, decodeSA(sa, m.Data, sizeExpire))
	case msgFlushSA:
		if len(m.Data) < 1 {
			return Other, wrap(m, tooShort("struct xfrm_usersa_flush", 0, 1))
		}
		*sa = SA{ID: ID{Protocol: m.Data[0]}}
		return Flushed, nil
	default:
		return Other, nil
	}
}

func wrap(m netlink.Message, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("message of type %#x: %w", m.Type, err)
}
