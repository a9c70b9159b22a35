// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// behind is an address to which There sends through Here. Here sends it back to
// There: what counts happens before.
var behind = lab.Host(net.IPv4(198, 51, 100, 7).To4())

// forwarded lets Here forward while f runs.
func forwarded(l *lab.Lab, f func() error) error {
	for side, gateway := range map[*lab.Side]net.IP{l.Here: l.There.Addr, l.There: l.Here.Addr} {
		route := &netlink.Route{Dst: behind, Gw: gateway}
		if err := side.Netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("adding a route: %w", err)
		}
		defer func() { _ = side.Netlink.RouteDel(route) }()
	}
	if err := l.Here.Set("ipv4/ip_forward", "1"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return l.Here.Set("ipv4/ip_forward", "0")
}

// badChecksum forwards packets that promise a checksum to be filled in, at a
// place that is no longer in the packet when it is to be encrypted: the start
// lies in the Ethernet header. They arrive at a tap device, because veth forgets
// such a promise.
func badChecksum(l *lab.Lab, count int) error {
	sa := outbound(l, lab.ESP, 0x5000)
	sa.Mode = netlink.XFRM_MODE_TUNNEL
	if err := l.Here.Add(sa, lab.Policy(behind.IP, 0, sa)); err != nil {
		return err
	}
	return forwarded(l, func() error {
		tap, err := l.Here.Tap("tap0")
		if err != nil {
			return err
		}
		defer tap.Close()
		// struct virtio_net_hdr: flags VIRTIO_NET_HDR_F_NEEDS_CSUM, csum_start 2,
		// and a csum_offset without which tap would find the header too short.
		header := []byte{1, 0, 0, 0, 0, 0, 2, 0, 20, 0}
		ethernet := slices.Concat(tap.MAC, []byte{2, 0, 0, 0, 0, 1, 8, 0})
		for range count {
			if err := tap.Arrive(header, append(ethernet, datagram(behind.IP)...)); err != nil {
				return err
			}
		}
		return nil
	})
}

// datagram is an IPv4 packet with a UDP datagram, from a network that is not
// there.
func datagram(to net.IP) []byte {
	const size = 64
	packet := make([]byte, size)
	packet[0] = 0x45
	packet[3] = size
	packet[8] = 64
	packet[9] = unix.IPPROTO_UDP
	copy(packet[12:], []byte{192, 0, 2, 1})
	copy(packet[16:], to)
	packet[25] = size - 20
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(packet[i])<<8 | uint32(packet[i+1])
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(packet[10:], ^uint16(sum))
	return packet
}
