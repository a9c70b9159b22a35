// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"net"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// outboundPolicy are packets of Here that a policy refuses, or for which it
// demands what there is not.
func outboundPolicy() []Scenario {
	return []Scenario{
		{
			Name: "outbound block", How: "out policy, action block",
			Expect: report.Counters{"XfrmOutPolBlock": 19},
			Run: func(l *lab.Lab) error {
				policy := lab.Policy(l.There.Addr, portFirst)
				policy.Action = netlink.XFRM_POLICY_BLOCK
				return demanded(l, policy, 19)
			},
		},
		{
			Name: "no association", How: "out policy with an ESP template",
			Expect: report.Counters{"XfrmOutNoStates": 23},
			Run: func(l *lab.Lab) error {
				return demanded(l, lab.Policy(l.There.Addr, portFirst, outbound(l, lab.ESP, 0x7000)), 23)
			},
		},
		{
			Name: "too many transformations to do", How: "out policy with 6 templates",
			Expect: report.Counters{"XfrmOutPolError": 4},
			Run: func(l *lab.Lab) error {
				policy := lab.Policy(l.There.Addr, portFirst, repeated(outbound(l, lab.ESP, 0x7000), 6)...)
				return demanded(l, policy, 4)
			},
		},
		{
			Name: "tunnel to nowhere", How: "tunnel association whose other end has no route",
			Expect: report.Counters{"XfrmOutBundleGenError": 9},
			Run: func(l *lab.Lab) error {
				sa := lab.Association(l.Here.Addr, net.IPv4(203, 0, 113, 1).To4(), lab.ESP, 0x7000)
				sa.Mode = netlink.XFRM_MODE_TUNNEL
				return sent(l, sa, portFirst, 9)
			},
		},
	}
}

// demanded sends datagrams under the policy.
func demanded(l *lab.Lab, policy *netlink.XfrmPolicy, count int) error {
	if err := l.Here.Add(policy); err != nil {
		return err
	}
	return l.Here.Datagrams(l.There.Addr, portFirst, count)
}
