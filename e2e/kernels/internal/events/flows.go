// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// flows are packets that wait, and packets that come from elsewhere.
func flows() []Step {
	return []Step{
		{
			Name: "packets without an association, while nobody else listens to acquires",
			None: []string{"xfrm.acquire"},
			Run: func(w *World) error {
				if err := errors.Join(w.Here.Add(lab.Policy(w.There.Addr, port, outbound(w, 0x2001))), w.Here.Datagrams(w.There.Addr, port, 3)); err != nil {
					return err
				}
				sas, err := w.Here.Netlink.XfrmStateList(netlink.FAMILY_V4)
				if err == nil && len(sas) > 0 {
					err = fmt.Errorf("the kernel made %d larval associations", len(sas))
				}
				return err
			},
		},
		{
			Name: "packets wait for an association, and an IKE daemon never answers",
			Expect: []Expected{
				{Event: "xfrm.acquire", Severity: "Info", Count: 1, Attributes: map[string]string{
					"xfrm.acquire.state": "waiting", "source.address": "10.0.0.1", "destination.address": "10.0.0.2", "destination.port": "7000",
					"network.transport": "udp", "network.peer.address": "10.0.0.2", "xfrm.reqid": "8194", "direction": "outbound",
				}, Body: "there is none yet"},
				{Event: "xfrm.acquire", Severity: "Warn", Count: 1, Attributes: map[string]string{
					"xfrm.acquire.state": "unanswered", "destination.port": "7000", "network.peer.address": "10.0.0.2",
				}, Body: "no IKE daemon set one up in time"},
			},
			None: []string{"xfrm.sa.expired"},
			Run: func(w *World) error {
				if err := w.Here.Set("core/xfrm_acq_expires", "3"); err != nil {
					return err
				}
				daemon, err := w.Here.JoinXFRM(1) // XFRMNLGRP_ACQUIRE
				if err != nil {
					return err
				}
				defer daemon.Close()
				w.Settle() // the collector sees that somebody listens
				err = errors.Join(w.Here.Add(lab.Policy(w.There.Addr, port, outbound(w, 0x2002))), w.Here.Datagrams(w.There.Addr, port, 3))
				for range 3 {
					w.Settle() // until it has expired
				}
				return err
			},
		},
		{
			Name: "a NAT that moves twice",
			Expect: []Expected{
				{Event: "xfrm.mapping.changed", Severity: "Info", Count: 1, Attributes: map[string]string{
					"xfrm.spi": "8195", "xfrm.peer.previous_port": "4500", "network.peer.port": "4501", "network.peer.address": "10.0.0.2",
				}, Body: "port 4501"},
				{Event: "xfrm.mapping.changed", Severity: "Info", Count: 1, Attributes: map[string]string{
					"xfrm.peer.previous_port": "4501", "network.peer.port": "4502",
				}},
			},
			Run: func(w *World) error {
				socket, err := w.Here.UDP(4500)
				if err != nil {
					return err
				}
				defer socket.Close()
				if err := socket.Option(unix.IPPROTO_UDP, unix.UDP_ENCAP, unix.UDP_ENCAP_ESPINUDP); err != nil {
					return err
				}
				encapsulated := func(from int) *netlink.XfrmState {
					sa := inbound(w, 0x2003)
					sa.Encap = &netlink.XfrmStateEncap{Type: netlink.XFRM_ENCAP_ESPINUDP, SrcPort: from, DstPort: 4500}
					return sa
				}
				if err := w.Here.Add(encapsulated(4500)); err != nil {
					return err
				}
				for _, from := range []int{4500, 4501, 4502} {
					sa := encapsulated(from)
					err := errors.Join(w.There.Add(sa, lab.Policy(w.Here.Addr, port, sa)), w.There.Datagrams(w.Here.Addr, port, 4), w.There.Flush())
					if err != nil {
						return err
					}
				}
				return nil
			},
		},
	}
}
