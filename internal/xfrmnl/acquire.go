// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"encoding/binary"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Acquire says that a packet needs an association that does not exist. The kernel
// has made a larval one that waits for it (XFRM_MSG_ACQUIRE).
type Acquire struct {
	// Flow is the packet: its addresses, ports and protocol.
	Flow Selector
	// Policy is the one that demands the association. Its template is the one that
	// has none, with the addresses that were settled.
	Policy Policy
	// Sequence is that of the larval association, which the IKE daemon hands back.
	Sequence uint32
}

// DecodeAcquire decodes a message of the group ACQUIRE. ok is false if it is
// another message.
func DecodeAcquire(m netlink.Message, a *Acquire) (ok bool, err error) {
	const (
		flow   = 40 // behind struct xfrm_id and saddr
		policy = flow + sizeSelector
	)
	if m.Type != msgAcquire {
		return false, nil
	}
	if len(m.Data) < sizeAcquire {
		return false, wrap(m, tooShort("struct xfrm_user_acquire", len(m.Data), sizeAcquire))
	}
	*a = Acquire{Sequence: binary.NativeEndian.Uint32(m.Data[sizeAcquire-4:])}
	if a.Flow, err = decodeSelector(m.Data[flow:]); err != nil {
		return false, wrap(m, err)
	}
	if err = decodePolicyInfo(&a.Policy, m.Data[policy:]); err != nil {
		return false, wrap(m, err)
	}
	return true, wrap(m, decodePolicyAttributes(&a.Policy, m.Data[sizeAcquire:]))
}
