// SPDX-License-Identifier: Apache-2.0

package rtnetlink

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// maxObjects bounds the addresses and the interfaces that are kept.
const maxObjects = 100_000

// Addresses returns all addresses of the namespace, at most 100,000 of them. The
// error wraps netlink.ErrMalformed if all others are there.
func Addresses(ctx context.Context, conn *netlink.Conn) (map[netip.Addr]bool, error) {
	const msgGetAddr = 22 // RTM_GETADDR
	addresses := make(map[netip.Addr]bool)
	var malformed error
	err := conn.Exchange(ctx, func(m netlink.Message) error {
		address, err := decodeAddress(m)
		switch {
		case err != nil:
			malformed = err
		case address.IsValid() && len(addresses) < maxObjects:
			addresses[address] = true
		}
		return nil
	}, netlink.Request{Type: msgGetAddr, Dump: true, Data: make([]byte, addressHeader)})
	if err == nil {
		err = malformed
	}
	return addresses, err
}

const (
	addressHeader = 8 // struct ifaddrmsg
	attrAddr      = 1 // IFA_ADDRESS
	attrIfaLocal  = 2 // IFA_LOCAL
)

// decodeAddress decodes an address, which is not valid if it is none of IP.
func decodeAddress(m netlink.Message) (netip.Addr, error) {
	if len(m.Data) < addressHeader {
		return netip.Addr{}, fmt.Errorf("%w: an address has %d bytes, expected at least %d",
			netlink.ErrMalformed, len(m.Data), addressHeader)
	}
	var local, address netip.Addr
	err := netlink.Attributes(m.Data[addressHeader:], func(kind uint16, value []byte) {
		switch kind {
		case attrIfaLocal:
			local, _ = netip.AddrFromSlice(value)
		case attrAddr:
			address, _ = netip.AddrFromSlice(value)
		}
	})
	if local.IsValid() {
		return local, err // on a link to one peer, IFA_ADDRESS is the peer's
	}
	return address, err
}
