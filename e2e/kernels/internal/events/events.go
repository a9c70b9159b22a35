// SPDX-License-Identifier: Apache-2.0

package events

import (
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/provoke"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Step is something that the kernel tells.
type Step struct {
	Name string
	// Expect are the records, besides those of events that are not named in it.
	Expect []Expected
	// None are events of which there must be no record.
	None []string
	// Flood says that the kernel may lose records, and says how many. MaxRecords
	// bounds the records then.
	Flood      bool
	MaxRecords int
	Run        func(*World) error
}

// Expected are records with the same name and attributes.
type Expected struct {
	Event    string
	Severity string
	// Attributes are some of those that the records have.
	Attributes map[string]string
	// Count is how many packets the records of drops stand for, or how many
	// other records there are.
	Count int
	// Body is a part of each body.
	Body string
}

// Matches reports whether a record is one of these.
func (e Expected) Matches(r report.Record) bool {
	for key, value := range e.Attributes {
		if r.Attributes[key] != value {
			return false
		}
	}
	return r.Event == e.Event
}

// World is what steps act on.
type World struct {
	*lab.Lab
	// Settle waits until the collector has reported what has happened, and looked
	// twice who listens to acquires.
	Settle func()
	// Audit is another listener.
	Audit *lab.Audit
	// Collector is the process of the collector.
	Collector func() int
	// Search counts the places that hold some bytes in the memory of the
	// collector, and in that of this process.
	Search func([]byte) (collector, own int, err error)
}

// Steps are all, in the order in which they run.
func Steps() []Step { return slices.Concat(drops(), floods(), associations(), secrecy(), flows()) }

// reasons are the counters that audit tells about.
var reasons = map[string]Expected{
	"XfrmInNoStates":        {Attributes: map[string]string{"direction": "inbound", "reason": "no_states"}, Body: "no security association with SPI"},
	"XfrmInStateProtoError": {Attributes: map[string]string{"direction": "inbound", "reason": "state_proto_error"}, Body: "integrity"},
	"XfrmInStateSeqError":   {Attributes: map[string]string{"direction": "inbound", "reason": "state_seq_error"}, Body: "sequence number"},
	"XfrmOutStateSeqError":  {Attributes: map[string]string{"direction": "outbound", "reason": "state_seq_error"}, Body: "sequence numbers"},
}

// Counters are how far the records of drops say that the kernel's counters rose.
func Counters(records []report.Record) report.Counters {
	sums := report.Counters{}
	for counter, expected := range reasons {
		expected.Event = "xfrm.packet.dropped"
		sums[counter] = 0
		for _, r := range records {
			if expected.Matches(r) {
				n, _ := strconv.ParseInt(r.Attributes["xfrm.event.count"], 10, 64)
				sums[counter] += n
			}
		}
	}
	return sums
}

// drops are the scenarios that raise one of these counters alone.
func drops() []Step {
	var steps []Step
	for _, scenario := range provoke.Scenarios() {
		for counter, count := range scenario.Expect {
			expected, ok := reasons[counter]
			if !ok || len(scenario.Expect) > 1 || strings.Contains(scenario.How, "allocspi") {
				continue
			}
			expected.Event, expected.Severity, expected.Count = "xfrm.packet.dropped", "Warn", int(count)
			attributes := map[string]string{
				"network.local.address": "10.0.0.1", "network.peer.address": "10.0.0.2",
			}
			for key, value := range expected.Attributes {
				attributes[key] = value
			}
			expected.Attributes = attributes
			steps = append(steps, Step{
				Name: scenario.Name, Expect: []Expected{expected},
				Run: func(w *World) error { return scenario.Run(w.Lab) },
			})
		}
	}
	return steps
}

// inbound is an association from There to Here, outbound one from Here to There.
func inbound(w *World, spi int) *netlink.XfrmState {
	sa := lab.Association(w.There.Addr, w.Here.Addr, lab.ESP, spi)
	sa.Reqid = spi
	return sa
}

func outbound(w *World, spi int) *netlink.XfrmState {
	sa := lab.Association(w.Here.Addr, w.There.Addr, lab.ESP, spi)
	sa.Reqid = spi
	return sa
}

const port = 7000

// through sends datagrams that There protects with an association that Here
// receives with another.
func through(w *World, here, there *netlink.XfrmState, count int) error {
	if err := w.Here.Add(here); err != nil {
		return err
	}
	if err := w.There.Add(there, lab.Policy(w.Here.Addr, port, there)); err != nil {
		return err
	}
	return w.There.Datagrams(w.Here.Addr, port, count)
}
