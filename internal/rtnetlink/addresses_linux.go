// SPDX-License-Identifier: Apache-2.0

package rtnetlink

import (
	"context"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// maxObjects bounds the addresses and the interfaces that are kept.
const maxObjects = 100_000

// Addresses returns all addresses of the namespace.
func Addresses(ctx context.Context, conn *netlink.Conn) (map[netip.Addr]bool, error) {
	const (
		msgGetAddr = 22 // RTM_GETADDR
		header     = 8  // struct ifaddrmsg
		attrAddr   = 1  // IFA_ADDRESS
		attrLocal  = 2  // IFA_LOCAL
	)
	addresses := make(map[netip.Addr]bool)
	err := conn.Exchange(ctx, func(m netlink.Message) error {
		if len(m.Data) < header {
			return nil
		}
		var local, address netip.Addr
		// One that is malformed costs what stands behind it.
		_ = netlink.Attributes(m.Data[header:], func(kind uint16, value []byte) {
			switch kind {
			case attrLocal:
				local, _ = netip.AddrFromSlice(value)
			case attrAddr:
				address, _ = netip.AddrFromSlice(value)
			}
		})
		if !local.IsValid() {
			local = address // IFA_ADDRESS is the peer's on a link to one peer
		}
		if local.IsValid() && len(addresses) < maxObjects {
			addresses[local] = true
		}
		return nil
	}, netlink.Request{Type: msgGetAddr, Dump: true, Data: make([]byte, header)})
	return addresses, err
}
