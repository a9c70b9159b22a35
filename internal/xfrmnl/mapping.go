// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"encoding/binary"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Mapping says that packets of an association come from another address or port
// than it was negotiated for: a NAT has moved (XFRM_MSG_MAPPING). The kernel says so
// for each packet.
type Mapping struct {
	// ID has no mark.
	ID       ID
	ReqID    uint32
	Old, New netip.AddrPort
}

// DecodeMapping decodes a message of the group MAPPING. ok is false if it is another
// message.
func DecodeMapping(m netlink.Message, p *Mapping) (ok bool, err error) {
	const size = 64 // struct xfrm_user_mapping
	if m.Type != msgMapping {
		return false, nil
	}
	if len(m.Data) < size {
		return false, wrap(m, tooShort("struct xfrm_user_mapping", len(m.Data), size))
	}
	family := binary.NativeEndian.Uint16(m.Data[20:])
	if err := checkFamily(family); err != nil {
		return false, wrap(m, err)
	}
	port := func(offset int) uint16 { return binary.BigEndian.Uint16(m.Data[offset:]) }
	*p = Mapping{
		ID: ID{
			Destination: address(family, m.Data),
			SPI:         binary.BigEndian.Uint32(m.Data[16:]),
			Protocol:    m.Data[22],
		},
		ReqID: binary.NativeEndian.Uint32(m.Data[24:]),
		Old:   netip.AddrPortFrom(address(family, m.Data[28:]), port(60)),
		New:   netip.AddrPortFrom(address(family, m.Data[44:]), port(62)),
	}
	return true, nil
}
