// SPDX-License-Identifier: Apache-2.0

// Package provoke has a scenario for every counter that can be raised by a
// known number of packets without patching the kernel. The guest runs them, the
// host compares what the observers saw with Expect.
package provoke

import (
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Scenario makes the kernel drop packets in Lab.Here.
type Scenario struct {
	Name string
	// How says in a few words what is done.
	How string
	// Expect is how far each counter rises; all others must not move.
	Expect report.Counters
	// Refusal says what some kernels refuse, if Run may return lab.ErrRefused.
	Refusal string
	// Run sets up and provokes. Associations and policies are removed after it.
	Run func(*lab.Lab) error
}

// Runs says whether a kernel with these counters can run the scenario.
func (s Scenario) Runs(kernel report.Counters) bool {
	for name := range s.Expect {
		if _, ok := kernel[name]; !ok {
			return false
		}
	}
	return true
}

// Scenarios are all, in the order in which they run.
func Scenarios() []Scenario {
	var all []Scenario
	for _, group := range [][]Scenario{
		healthy(), malformed(), inboundState(), inboundPolicy(), outboundState(), outboundPolicy(), direction(), security(),
	} {
		all = append(all, group...)
	}
	return all
}

// Unreachable says why the remaining counters are raised by no scenario.
var Unreachable = map[string]string{
	"XfrmInError":             "no way to raise it is known",
	"XfrmOutBundleCheckError": "no kernel increments it",
	"XfrmOutPolDead":          "no kernel increments it",
	"XfrmInIptfsError":        "needs CONFIG_XFRM_IPTFS, which these kernels lack",
	"XfrmOutNoQueueSpace":     "needs CONFIG_XFRM_IPTFS, which these kernels lack",
}

// Ports of datagrams.
const (
	portOpen = 7000
	// From here on nobody listens.
	portFirst = 7001
)
