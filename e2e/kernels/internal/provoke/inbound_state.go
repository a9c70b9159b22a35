// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// inboundState are packets from a real association of There that Here's does not
// fit.
func inboundState() []Scenario {
	all := []Scenario{
		{
			Name: "tunnel association, bare datagram", How: "tunnel mode here, transport mode at the sender",
			Expect: report.Counters{"XfrmInStateModeError": 5},
			Run: func(l *lab.Lab) error {
				sa := inbound(l, lab.ESP, 0x3000)
				sa.Mode = netlink.XFRM_MODE_TUNNEL
				return through(l, sa, inbound(l, lab.ESP, 0x3000), 5)
			},
		},
		{
			Name: "bare ESP where UDP encapsulation is agreed", How: "espinudp here, none at the sender",
			Expect: report.Counters{"XfrmInStateMismatch": 6},
			Run: func(l *lab.Lab) error {
				return through(l, encapsulated(inbound(l, lab.ESP, 0x3000)), inbound(l, lab.ESP, 0x3000), 6)
			},
		},
		{
			Name: "burst past the packet limit", How: "1 packet, then a UDP-GSO burst of 6 copies, packet-hard 1",
			Expect: report.Counters{"XfrmInStateExpired": 1, "XfrmInStateInvalid": 5},
			Run:    burst,
		},
	}
	for _, p := range protocols {
		all = append(all,
			Scenario{
				Name: p.name + " with another integrity key", How: "keys differ",
				Expect: report.Counters{"XfrmInStateProtoError": 9},
				Run: func(l *lab.Lab) error {
					sa := inbound(l, p.proto, 0x3000)
					sa.Auth.Key = lab.Key(9)
					return through(l, sa, inbound(l, p.proto, 0x3000), 9)
				},
			},
			Scenario{
				Name: p.name + " replayed", How: "a packet taken from the wire is sent 8 times more, replay window 32",
				Expect: report.Counters{"XfrmInStateSeqError": 8},
				Run:    func(l *lab.Lab) error { return replay(l, p.proto) },
			},
			Scenario{
				Name: p.name + " past the packet limit", How: "3 associations with packet-hard 1, 2 packets each",
				Expect: report.Counters{"XfrmInStateExpired": 3},
				Run: func(l *lab.Lab) error {
					for i := range 3 {
						sa := inbound(l, p.proto, 0x3000+i)
						sa.Limits.PacketHard = 1
						if err := throughPort(l, sa, inbound(l, p.proto, 0x3000+i), portFirst+i, 2); err != nil {
							return err
						}
					}
					return nil
				},
			})
	}
	return all
}

// inbound is an association from There to Here.
func inbound(l *lab.Lab, proto netlink.Proto, spi int) *netlink.XfrmState {
	return lab.Association(l.There.Addr, l.Here.Addr, proto, spi)
}

const natPort = 4500 // UDP-encapsulated ESP, RFC 3948.

func encapsulated(sa *netlink.XfrmState) *netlink.XfrmState {
	sa.Encap = &netlink.XfrmStateEncap{Type: netlink.XFRM_ENCAP_ESPINUDP, SrcPort: natPort, DstPort: natPort}
	return sa
}

// through sends datagrams that There protects with one association and Here
// receives with another.
func through(l *lab.Lab, here, there *netlink.XfrmState, count int) error {
	return throughPort(l, here, there, portFirst, count)
}

func throughPort(l *lab.Lab, here, there *netlink.XfrmState, port, count int) error {
	if err := l.Here.Add(here); err != nil {
		return err
	}
	if err := l.There.Add(there, lab.Policy(l.Here.Addr, port, there)); err != nil {
		return err
	}
	return l.There.Datagrams(l.Here.Addr, port, count)
}

// replay sends a packet again that has been received.
func replay(l *lab.Lab, proto netlink.Proto) error {
	sa := inbound(l, proto, 0x3000)
	sa.ReplayWindow = 32
	wire, frame, err := l.There.Catch(byte(proto), func() error { return through(l, sa, inbound(l, proto, 0x3000), 1) })
	if err != nil {
		return err
	}
	defer wire.Close()
	return wire.Inject(frame, 8)
}

// burst hands the kernel several packets in one go: the association has expired
// with the first of them, and is still there for the others because it is
// removed by a timer. Segments of one UDP-GSO datagram are such packets.
func burst(l *lab.Lab) error {
	encap, err := l.Here.UDP(natPort)
	if err != nil {
		return err
	}
	defer encap.Close()
	if err := encap.Option(unix.IPPROTO_UDP, unix.UDP_ENCAP, unix.UDP_ENCAP_ESPINUDP); err != nil {
		return err
	}
	sa := encapsulated(inbound(l, lab.ESP, 0x3000))
	sa.Limits.PacketHard = 1
	wire, frame, err := l.There.Catch(unix.IPPROTO_UDP, func() error {
		return through(l, sa, encapsulated(inbound(l, lab.ESP, 0x3000)), 1)
	})
	if err != nil {
		return err
	}
	wire.Close()
	const headers = 14 + 20 + 8
	packet := frame[headers:]
	var segments []byte
	for range 6 {
		segments = append(segments, packet...)
	}
	sender, err := l.There.UDP(natPort)
	if err != nil {
		return err
	}
	defer sender.Close()
	if err := sender.Option(unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(packet)); err != nil {
		return fmt.Errorf("UDP GSO: %w", err)
	}
	sender.Send(l.Here.Addr, natPort, segments, 1)
	return nil
}
