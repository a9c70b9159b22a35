// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// direction are associations used the wrong way round. Available from 6.12.
func direction() []Scenario {
	return []Scenario{
		{
			Name: "outbound association used to receive", How: "association dir out, ESP with its SPI arrives",
			Expect: report.Counters{"XfrmInStateDirError": 8},
			Run: func(l *lab.Lab) error {
				sa := inbound(l, lab.ESP, 0x8000)
				sa.SADir = netlink.XFRM_SA_DIR_OUT
				if err := l.Here.Add(sa); err != nil {
					return err
				}
				return l.There.Packets(l.Here.Addr, unix.IPPROTO_ESP, esp(0x8000), 8)
			},
		},
		{
			Name: "inbound association used to send", How: "association dir in, out policy that selects it",
			Expect: report.Counters{"XfrmOutStateDirError": 6, "XfrmOutPolError": 6},
			Run: func(l *lab.Lab) error {
				sa := outbound(l, lab.ESP, 0x8000)
				sa.SADir = netlink.XFRM_SA_DIR_IN
				return sent(l, sa, portFirst, 6)
			},
		},
	}
}
