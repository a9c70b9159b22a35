// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"math"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// outboundState are packets of Here that its own association cannot take.
func outboundState() []Scenario {
	all := []Scenario{
		{
			Name: "AH over a malformed IP option", How: "an option with length 0, header written by the sender",
			Expect: report.Counters{"XfrmOutStateProtoError": 6},
			Run: func(l *lab.Lab) error {
				sa := outbound(l, lab.AH, 0x6000)
				if err := l.Here.Add(sa, lab.Policy(l.There.Addr, 0, sa)); err != nil {
					return err
				}
				return l.Here.Packets(l.There.Addr, unix.IPPROTO_RAW, badOption(l.Here.Addr, l.There.Addr), 6)
			},
		},
		{
			Name: "datagrams larger than the tunnel", How: "tunnel association, DF, path MTU ignored",
			Expect: report.Counters{"XfrmOutStateModeError": 7},
			Run:    tooLarge,
		},
		{
			Name: "association deleted under a send", How: "MSG_MORE, delete the association, finish the send",
			Expect: report.Counters{"XfrmOutStateInvalid": 4},
			Run:    deletedUnderSend,
		},
		{
			Name: "checksum start outside the packet", How: "forwarded packets whose checksum cannot be filled in",
			Expect:  report.Counters{"XfrmOutError": 5},
			Refusal: "this kernel lets no packet in whose checksum start lies before its IP header",
			Run:     func(l *lab.Lab) error { return badChecksum(l, 5) },
		},
	}
	for _, p := range protocols {
		all = append(all,
			Scenario{
				Name: p.name + " out of sequence numbers", How: "replay-oseq 0xffffffff",
				Expect: report.Counters{"XfrmOutStateSeqError": 11},
				Run: func(l *lab.Lab) error {
					sa := outbound(l, p.proto, 0x6000)
					sa.Replay = &netlink.XfrmReplayState{OSeq: math.MaxUint32}
					return sent(l, sa, portFirst, 11)
				},
			},
			Scenario{
				Name: p.name + " sent past the packet limit", How: "3 associations with packet-hard 1, 2 packets each",
				Expect: report.Counters{"XfrmOutStateExpired": 3},
				Run: func(l *lab.Lab) error {
					for i := range 3 {
						sa := outbound(l, p.proto, 0x6000+i)
						sa.Limits.PacketHard = 1
						if err := sent(l, sa, portFirst+i, 2); err != nil {
							return err
						}
					}
					return nil
				},
			})
	}
	return all
}

// outbound is an association from Here to There.
func outbound(l *lab.Lab, proto netlink.Proto, spi int) *netlink.XfrmState {
	return lab.Association(l.Here.Addr, l.There.Addr, proto, spi)
}

// sent sends datagrams that Here protects with the association.
func sent(l *lab.Lab, sa *netlink.XfrmState, port, count int) error {
	if err := l.Here.Add(sa, lab.Policy(l.There.Addr, port, sa)); err != nil {
		return err
	}
	return l.Here.Datagrams(l.There.Addr, port, count)
}

// badOption is an IPv4 packet with an option whose length is 0 (RFC 791: at
// least 2). The kernel does not check headers that a raw socket wrote.
func badOption(from, to net.IP) []byte {
	packet := make([]byte, 64)
	packet[0] = 0x46 // Version 4, 6 words.
	packet[8] = 64
	packet[9] = unix.IPPROTO_UDP
	copy(packet[12:], from)
	copy(packet[16:], to)
	packet[20] = 0x83 // Loose source route.
	return packet
}

func tooLarge(l *lab.Lab) error {
	sa := outbound(l, lab.ESP, 0x6000)
	sa.Mode = netlink.XFRM_MODE_TUNNEL
	if err := l.Here.Add(sa, lab.Policy(l.There.Addr, portFirst, sa)); err != nil {
		return err
	}
	socket, err := l.Here.UDP(0)
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := socket.Option(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE); err != nil {
		return err
	}
	const whole = 1500 - 20 - 8
	socket.Send(l.There.Addr, portFirst, make([]byte, whole), 7)
	return nil
}

// deletedUnderSend begins datagrams, takes away what protects them, and sends
// them.
func deletedUnderSend(l *lab.Lab) error {
	sa := outbound(l, lab.ESP, 0x6000)
	if err := l.Here.Add(sa, lab.Policy(l.There.Addr, portFirst, sa)); err != nil {
		return err
	}
	var begun []*lab.Socket
	for range 4 {
		socket, err := l.Here.UDP(0)
		if err != nil {
			return err
		}
		defer socket.Close()
		socket.SendFlags(l.There.Addr, portFirst, []byte("hel"), unix.MSG_MORE)
		begun = append(begun, socket)
	}
	if err := l.Here.Netlink.XfrmStateDel(sa); err != nil {
		return err
	}
	for _, socket := range begun {
		socket.SendFlags(l.There.Addr, portFirst, []byte("lo"), 0)
	}
	return nil
}
