// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// associations are what becomes of associations and policies.
func associations() []Step {
	return []Step{
		{
			Name: "an association deleted",
			Expect: []Expected{
				{Event: "xfrm.sa.created", Severity: "Info", Count: 1, Attributes: map[string]string{
					"direction": "inbound", "xfrm.spi": "4097", "xfrm.reqid": "4097", "xfrm.protocol": "esp", "xfrm.mode": "transport",
					"network.local.address": "10.0.0.1", "network.peer.address": "10.0.0.2",
				}, Body: "was created"},
				{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: map[string]string{
					"direction": "inbound", "xfrm.spi": "4097", "xfrm.packets": "3", "xfrm.bytes": "39",
				}, Body: "3 packets"},
			},
			None: []string{"xfrm.packet.dropped", "xfrm.sa.expired"},
			Run: func(w *World) error {
				sa := inbound(w, 0x1001)
				return errors.Join(through(w, sa, inbound(w, 0x1001), 3), w.Here.Netlink.XfrmStateDel(sa))
			},
		},
		{
			Name: "a soft and a hard limit of packets",
			Expect: []Expected{
				{Event: "xfrm.sa.expired", Severity: "Info", Count: 1, Attributes: map[string]string{
					"xfrm.hard": "false", "xfrm.limit": "packets", "xfrm.spi": "4098",
				}, Body: "soft"},
				{Event: "xfrm.sa.expired", Severity: "Warn", Count: 1, Attributes: map[string]string{
					"xfrm.hard": "true", "xfrm.limit": "packets", "xfrm.packets": "10", "xfrm.bytes": "130", "xfrm.spi": "4098", "direction": "inbound",
				}, Body: "ended"},
				{Event: "xfrm.packet.dropped", Severity: "Warn", Count: 4, Attributes: map[string]string{
					"reason": "no_states", "xfrm.spi": "4098", "network.peer.address": "10.0.0.2",
				}},
			},
			Run: func(w *World) error {
				sa := inbound(w, 0x1002)
				sa.Limits.PacketSoft, sa.Limits.PacketHard = 5, 10
				// The eleventh expires it, and a timer removes it.
				if err := through(w, sa, inbound(w, 0x1002), 11); err != nil {
					return err
				}
				w.Settle()
				return w.There.Datagrams(w.Here.Addr, port, 4)
			},
		},
		{
			Name: "a hard limit of time",
			Expect: []Expected{
				{Event: "xfrm.sa.expired", Severity: "Warn", Count: 1, Attributes: map[string]string{
					"xfrm.hard": "true", "xfrm.limit": "time", "xfrm.packets": "2", "xfrm.spi": "4099",
				}},
			},
			Run: func(w *World) error {
				sa := inbound(w, 0x1003)
				sa.Limits.TimeHard = 1
				return through(w, sa, inbound(w, 0x1003), 2)
			},
		},
		{
			Name: "all associations flushed",
			Expect: []Expected{
				{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: map[string]string{"direction": "unknown", "xfrm.spi": ""}, Body: "flushed"},
			},
			Run: func(w *World) error {
				return errors.Join(w.Here.Add(inbound(w, 0x1004)), w.Here.Netlink.XfrmStateFlush(0))
			},
		},
		{
			Name: "a policy added and deleted, and all flushed",
			Expect: []Expected{
				{Event: "xfrm.policy.changed", Severity: "Info", Count: 1, Attributes: map[string]string{
					"xfrm.policy.change": "created", "direction": "outbound", "destination.address": "10.0.0.2/32", "destination.port": "7000",
					"network.transport": "udp", "xfrm.policy.action": "allow",
				}, Body: "proto esp reqid 4101 mode transport"},
				{Event: "xfrm.policy.changed", Severity: "Info", Count: 1, Attributes: map[string]string{"xfrm.policy.change": "deleted"}},
				{Event: "xfrm.policy.changed", Severity: "Info", Count: 1, Attributes: map[string]string{"xfrm.policy.change": "flushed"}},
			},
			Run: func(w *World) error {
				policy := lab.Policy(w.There.Addr, port, outbound(w, 0x1005))
				return errors.Join(w.Here.Add(policy), w.Here.Netlink.XfrmPolicyDel(policy),
					w.Here.Add(lab.Policy(w.There.Addr, port+1, outbound(w, 0x1005))), w.Here.Netlink.XfrmPolicyFlush())
			},
		},
		{
			Name: "the memory of the collector holds no key",
			Run: func(w *World) error {
				sa := traffic.Manual(w.There, w.Here, 0x1006, 7)
				if err := errors.Join(w.Here.Add(sa), w.Here.Netlink.XfrmStateUpdate(sa), w.Here.Netlink.XfrmStateDel(sa)); err != nil {
					return err
				}
				w.Settle()
				for _, seed := range []byte{1, 2} {
					found, own, err := w.Search(traffic.Secret(seed))
					if err != nil || found > 0 || own == 0 {
						return fmt.Errorf("the key is in %d places of the collector, and %d of this program: %w", found, own, err)
					}
				}
				return nil
			},
		},
	}
}
