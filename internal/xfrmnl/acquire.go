// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"encoding/binary"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Acquire says that a packet needs an association that does not exist. The kernel
// has made a larval one that waits for it (XFRM_MSG_ACQUIRE).
type Acquire struct {
	// Flow is the packet: its addresses, ports and protocol.
	Flow Selector
	// Policy is the one that demands the association.
	Policy Policy
	// Missing is the template of the policy that has no association. Its addresses
	// are those that the association will have, also where the policy names none.
	// It is zero if the policy has no such template.
	Missing Template
	// Sequence is that of the larval association, which the IKE daemon hands back.
	Sequence uint32
}

// DecodeAcquire decodes a message of the group ACQUIRE. ok is false if it is
// another message.
func DecodeAcquire(m netlink.Message, a *Acquire) (ok bool, err error) {
	const (
		protocol = 20 // in struct xfrm_id
		source   = 24
		flow     = 40
		policy   = flow + sizeSelector
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
	if err = decodePolicyAttributes(&a.Policy, m.Data[sizeAcquire:]); err != nil {
		return false, wrap(m, err)
	}
	for _, t := range a.Policy.Templates {
		if t.Protocol == m.Data[protocol] {
			a.Missing = t
			a.Missing.Destination = addressLike(t.Destination, m.Data)
			a.Missing.Source = addressLike(t.Source, m.Data[source:])
			break
		}
	}
	return true, nil
}

// addressLike decodes an address of the family of another.
func addressLike(other netip.Addr, data []byte) netip.Addr {
	if other.Is4() {
		return address(familyINET, data)
	}
	return address(familyINET6, data)
}
