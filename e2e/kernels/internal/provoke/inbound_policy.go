// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// inboundPolicy are packets that an inbound policy of Here refuses.
func inboundPolicy() []Scenario {
	return []Scenario{
		{
			Name: "plain datagrams where ESP is demanded", How: "in policy with an ESP template",
			Expect: report.Counters{"XfrmInTmplMismatch": 10},
			Run: func(l *lab.Lab) error {
				return refused(l, demand(l, 1), 10)
			},
		},
		{
			Name: "too many transformations demanded", How: "in policy with 6 templates",
			Expect: report.Counters{"XfrmInBufferError": 4},
			Run: func(l *lab.Lab) error {
				return refused(l, demand(l, 6), 4)
			},
		},
		{
			Name: "inbound block", How: "in policy, action block",
			Expect: report.Counters{"XfrmInPolBlock": 17},
			Run: func(l *lab.Lab) error {
				policy := demand(l, 0)
				policy.Action = netlink.XFRM_POLICY_BLOCK
				return refused(l, policy, 17)
			},
		},
		{
			Name: "forward block", How: "fwd policy, action block, packets to a network behind Here",
			Expect: report.Counters{"XfrmInPolBlock": 3},
			Run: func(l *lab.Lab) error {
				policy := &netlink.XfrmPolicy{Dir: netlink.XFRM_DIR_FWD, Dst: behind, Action: netlink.XFRM_POLICY_BLOCK}
				if err := l.Here.Add(policy); err != nil {
					return err
				}
				return forwarded(l, func() error {
					return l.There.Datagrams(behind.IP, portFirst, 3)
				})
			},
		},
		{
			Name: "tunnel without policy", How: "tunnel association, no in policy",
			Expect: report.Counters{"XfrmInNoPols": 12},
			Run: func(l *lab.Lab) error {
				here, there := inbound(l, lab.ESP, 0x4000), inbound(l, lab.ESP, 0x4000)
				here.Mode, there.Mode = netlink.XFRM_MODE_TUNNEL, netlink.XFRM_MODE_TUNNEL
				return through(l, here, there, 12)
			},
		},
	}
}

// demand is Here's inbound policy for datagrams to the first port, with that
// many ESP templates.
func demand(l *lab.Lab, templates int) *netlink.XfrmPolicy {
	policy := lab.Policy(l.Here.Addr, portFirst, repeated(lab.Association(l.There.Addr, l.Here.Addr, lab.ESP, 0), templates)...)
	policy.Dir = netlink.XFRM_DIR_IN
	return policy
}

// repeated is one association several times.
func repeated(sa *netlink.XfrmState, times int) []*netlink.XfrmState {
	all := make([]*netlink.XfrmState, times)
	for i := range all {
		all[i] = sa
	}
	return all
}

// refused sends plain datagrams to Here, which has the policy.
func refused(l *lab.Lab, policy *netlink.XfrmPolicy, count int) error {
	if err := l.Here.Add(policy); err != nil {
		return err
	}
	return l.There.Datagrams(l.Here.Addr, portFirst, count)
}
