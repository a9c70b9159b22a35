// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Protocols that protect packets.
const (
	ESP = netlink.XFRM_PROTO_ESP
	AH  = netlink.XFRM_PROTO_AH
)

// Association is an SA from one side to the other in transport mode: AES-CBC and
// HMAC-SHA-256 for ESP, HMAC-SHA-256 for AH.
func Association(from, to net.IP, proto netlink.Proto, spi int) *netlink.XfrmState {
	sa := &netlink.XfrmState{
		Src: from, Dst: to, Proto: proto, Mode: netlink.XFRM_MODE_TRANSPORT, Spi: spi, Reqid: spi,
		Auth: &netlink.XfrmStateAlgo{Name: "hmac(sha256)", Key: Key(1), TruncateLen: 128},
	}
	if proto == ESP {
		sa.Crypt = &netlink.XfrmStateAlgo{Name: "cbc(aes)", Key: Key(2)}
	}
	return sa
}

// Key is a 256-bit key.
func Key(seed byte) []byte { return bytes.Repeat([]byte{seed}, 32) }

// Policy is an outbound policy for datagrams to a port, 0 for all packets: it
// demands the given associations, in this order.
func Policy(to net.IP, port int, sas ...*netlink.XfrmState) *netlink.XfrmPolicy {
	p := &netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_OUT, Dst: Host(to)}
	if port != 0 {
		p.Proto, p.DstPort = 17, port
	}
	for _, sa := range sas {
		p.Tmpls = append(p.Tmpls, netlink.XfrmPolicyTmpl{
			Src: sa.Src, Dst: sa.Dst, Proto: sa.Proto, Mode: sa.Mode, Reqid: sa.Reqid,
		})
	}
	return p
}

// Host is the network of one address.
func Host(ip net.IP) *net.IPNet { return &net.IPNet{IP: ip, Mask: net.CIDRMask(32, 32)} }

// Add adds associations and policies.
func (s *Side) Add(things ...any) error {
	for _, thing := range things {
		var err error
		switch thing := thing.(type) {
		case *netlink.XfrmState:
			err = s.Netlink.XfrmStateAdd(thing)
		case *netlink.XfrmPolicy:
			err = s.Netlink.XfrmPolicyAdd(thing)
		}
		if err != nil {
			return fmt.Errorf("adding a %T: %w", thing, err)
		}
	}
	return nil
}
