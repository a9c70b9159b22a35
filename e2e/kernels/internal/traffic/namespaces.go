// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// namespaces are tunnels in other network namespaces, which the collector of Here
// reads too: two that have names, and that of There, which a process is in.
func namespaces() []Step {
	var blue, green *lab.Side
	return []Step{
		{
			Name: "tunnels in named namespaces and in that of a process",
			Expect: report.Series{
				"here/blue tunnel.packet.count outbound 40": 12, "here/blue tunnel.packet.count inbound 40": 7,
				"here/green tunnel.packet.count outbound 40": 7, "here/green tunnel.packet.count inbound 40": 12,
				"here/blue tunnel.io outbound 40": 12 * size, "here/green tunnel.io inbound 40": 12 * size,
				"here/blue tunnel.packet.dropped replay 40":    3,
				"here/process tunnel.packet.count inbound 41":  5,
				"here/process tunnel.packet.count outbound 41": 6,
				"here tunnel.packet.count outbound 41":         5,
				"there tunnel.packet.count inbound 41":         5,
				"here netns.count":                             2,
			},
			After: report.Series{
				"here/blue sa.count": 2, "here/green sa.count": 2, "here/process sa.count": 2,
				"here/blue packet.dropped inbound state_seq_error": 3,
			},
			Run: func(w *World) (_ report.Series, err error) {
				if blue, err = lab.Named("blue", net.IPv4(10, 8, 0, 1), "vb"); err != nil {
					return nil, err
				}
				if green, err = lab.Named("green", net.IPv4(10, 8, 0, 2), "vg"); err != nil {
					return nil, err
				}
				// What the associations of other namespaces counted before they were first
				// seen is not reported.
				err = errors.Join(lab.Join(blue, green), pair(green, blue, 0x6000, 40), w.pair(0x6100, 41), w.Scrape())
				if err != nil {
					return nil, err
				}
				wire, frame, err := green.Catch(unix.IPPROTO_ESP, func() error { return lab.Deliver(green, blue, blue.Addr, port, 7) })
				if err != nil {
					return nil, err
				}
				defer wire.Close()
				return nil, errors.Join(wire.Inject(frame, 3), lab.Deliver(blue, green, green.Addr, port, 12), w.both(6, 5))
			},
			Keep: true,
		},
		{
			Name:   "a named namespace deleted",
			Expect: report.Series{"here netns.count": -1, "here/green tunnel.packet.count inbound 40": 0},
			After:  report.Series{"here/green tunnel.sa.count inbound 40": 1},
			Gone:   []string{"here/blue tunnel.packet.count outbound 40", "here/blue packet.dropped inbound no_states"},
			Run: func(*World) (report.Series, error) {
				// The pair of interfaces ends with the namespace, once nobody holds it.
				return nil, errors.Join(blue.Unname("blue"), until("the namespace ends", func() bool {
					_, err := green.Netlink.LinkByName("vg")
					return err != nil
				}))
			},
		},
		{
			Name: "the other deleted",
			Gone: []string{"here/green tunnel.packet.count inbound 40"},
			Run:  func(*World) (report.Series, error) { return nil, green.Unname("green") },
		},
	}
}
