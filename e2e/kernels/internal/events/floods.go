// SPDX-License-Identifier: Apache-2.0

package events

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// forged is how many packets a flood has, each with a source and an SPI of its own.
const forged = 10_000

// floods are many packets at once, and what others see of them.
func floods() []Step {
	return []Step{
		{
			Name:   "10,000 packets with forged sources and SPIs",
			Expect: []Expected{{Event: "xfrm.packet.dropped", Severity: "Warn", Attributes: map[string]string{"reason": "no_states"}, Count: forged}},
			Flood:  true,
			// In each of up to 40 intervals: 100 kinds that are new, the same that go on,
			// and one for all others.
			MaxRecords: 40 * (100 + 100 + 1),
			Run: func(w *World) error {
				socket, err := w.There.Raw(unix.IPPROTO_RAW)
				if err != nil {
					return err
				}
				defer socket.Close()
				for i := range uint32(forged) {
					socket.Send(w.Here.Addr, 0, espFrom(i, w.Here.Addr), 1)
				}
				w.Settle()
				return nil
			},
		},
		{
			Name: "another listener gets the same records",
			Expect: []Expected{{Event: "xfrm.packet.dropped", Severity: "Warn", Count: 21, Attributes: map[string]string{
				"reason": "no_states", "xfrm.spi": "4112", "network.peer.address": "10.0.0.2",
			}}},
			Run: func(w *World) error {
				w.Audit.IPsec()
				packet := binary.BigEndian.AppendUint32(nil, 0x1010)
				err := w.There.Packets(w.Here.Addr, unix.IPPROTO_ESP, append(packet, make([]byte, 20)...), 21)
				w.Settle()
				if n := w.Audit.IPsec(); n != 21 {
					err = errors.Join(err, fmt.Errorf("it got %d records of 21", n))
				}
				return err
			},
		},
	}
}

// espFrom is an IP packet from a forged source.
func espFrom(i uint32, to []byte) []byte {
	const headerSize = 20
	packet := make([]byte, headerSize, headerSize+24)
	packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_ESP
	copy(packet[12:], []byte{172, 16, byte(i >> 8), byte(i)})
	copy(packet[16:], to)
	packet = binary.BigEndian.AppendUint32(packet, 0x10000+i) // the SPI
	return append(packet, make([]byte, 20)...)
}
