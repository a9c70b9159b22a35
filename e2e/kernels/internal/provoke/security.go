// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// security are packets that a security module refuses.
func security() []Scenario {
	return []Scenario{
		{
			Name: "policy lookup denied", How: "in policy, a BPF LSM program denies xfrm_policy_lookup",
			Expect: report.Counters{"XfrmInPolError": 9},
			Run: func(l *lab.Lab) error {
				return lab.Deny("xfrm_policy_lookup", func() error { return refused(l, demand(l, 0), 9) })
			},
		},
		{
			Name: "decoding of a forwarded packet denied", How: "out policy, a BPF LSM program denies xfrm_decode_session",
			Expect:  report.Counters{"XfrmFwdHdrError": 7},
			Refusal: "needs a BPF LSM program on xfrm_decode_session, which this kernel does not allow",
			Run: func(l *lab.Lab) error {
				if err := l.Here.Add(lab.Policy(behind.IP, 0, outbound(l, lab.ESP, 0x9000))); err != nil {
					return err
				}
				return forwarded(l, func() error {
					return lab.Deny("xfrm_decode_session", func() error {
						return l.There.Datagrams(behind.IP, portFirst, 7)
					})
				})
			},
		},
	}
}
