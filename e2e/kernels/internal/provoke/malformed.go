// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// malformed are packets that no association of ours made.
func malformed() []Scenario {
	return []Scenario{
		{
			Name: "short ESP header", How: "IP protocol 50 with 4 bytes of payload",
			Expect: report.Counters{"XfrmInHdrError": 7},
			Run: func(l *lab.Lab) error {
				return l.There.Packets(l.Here.Addr, unix.IPPROTO_ESP, make([]byte, 4), 7)
			},
		},
		{
			Name: "ESP with an unknown SPI", How: "ESP whose SPI has no association",
			Expect: report.Counters{"XfrmInNoStates": 1234},
			Run: func(l *lab.Lab) error {
				return l.There.Packets(l.Here.Addr, unix.IPPROTO_ESP, esp(0xabcd), 1234)
			},
		},
		{
			Name: "AH with an unknown SPI", How: "AH whose SPI has no association",
			Expect: report.Counters{"XfrmInNoStates": 11},
			Run: func(l *lab.Lab) error {
				return l.There.Packets(l.Here.Addr, unix.IPPROTO_AH, ah(0xabcd), 11)
			},
		},
		{
			Name: "association not negotiated yet", How: "allocspi, then ESP with that SPI",
			Expect: report.Counters{"XfrmAcquireError": 13},
			Run: func(l *lab.Lab) error {
				spi, err := allocated(l)
				if err != nil {
					return err
				}
				return l.There.Packets(l.Here.Addr, unix.IPPROTO_ESP, esp(spi), 13)
			},
		},
	}
}

// allocated reserves an SPI, as an IKE daemon does while it negotiates.
func allocated(l *lab.Lab) (spi uint32, err error) {
	err = l.Here.Do(func() error {
		larval, err := netlink.XfrmStateAllocSpi(&netlink.XfrmState{
			Src: l.There.Addr, Dst: l.Here.Addr, Proto: lab.ESP, Mode: netlink.XFRM_MODE_TRANSPORT,
		})
		if err != nil {
			return fmt.Errorf("allocating an SPI: %w", err)
		}
		spi = uint32(larval.Spi)
		return nil
	})
	return spi, err
}

// esp is an ESP packet (RFC 4303) that nobody encrypted.
func esp(spi uint32) []byte {
	packet := make([]byte, 64)
	binary.BigEndian.PutUint32(packet[0:], spi)
	binary.BigEndian.PutUint32(packet[4:], 1)
	return packet
}

// ah is an AH packet (RFC 4302) with an ICV of zeros.
func ah(spi uint32) []byte {
	packet := make([]byte, 64)
	packet[0] = unix.IPPROTO_UDP
	packet[1] = 28/4 - 2 // Header and ICV in 32-bit words, minus 2.
	binary.BigEndian.PutUint32(packet[4:], spi)
	binary.BigEndian.PutUint32(packet[8:], 1)
	return packet
}
