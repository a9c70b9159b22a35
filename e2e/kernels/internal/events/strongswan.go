// SPDX-License-Identifier: Apache-2.0

package events

import (
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// peer are the addresses of the tunnel that strongSwan builds.
func peer(more map[string]string) map[string]string {
	attributes := map[string]string{"network.local.address": "10.0.0.1", "network.peer.address": "10.0.0.2"}
	for key, value := range more {
		attributes[key] = value
	}
	return attributes
}

// mistakes are what records must say of those that operators make with strongSwan.
var mistakes = map[string][]Expected{
	"none: traffic flows both ways": {
		{Event: "xfrm.sa.created", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "inbound", "xfrm.mode": "tunnel"})},
		{Event: "xfrm.sa.created", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "outbound", "xfrm.mode": "tunnel"})},
	},
	"the SA deleted at the receiver only": {
		{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "inbound", "xfrm.packets": "0"})},
		{Event: "xfrm.packet.dropped", Severity: "Warn", Count: 10, Attributes: peer(map[string]string{"reason": "no_states"})},
	},
	"traffic replayed": {
		{Event: "xfrm.packet.dropped", Severity: "Warn", Count: 10, Attributes: peer(map[string]string{"reason": "state_seq_error"})},
	},
	"another traffic selector in the other side's configuration, trap policy here": {
		{Event: "xfrm.acquire", Severity: "Info", Count: 1, Attributes: map[string]string{
			"xfrm.acquire.state": "waiting", "network.peer.address": "10.0.0.2", "destination.address": "10.2.0.1", "destination.port": "7000",
		}},
	},
	"the associations replaced by hand": {
		{Event: "xfrm.sa.created", Severity: "Info", Count: 2, Attributes: peer(map[string]string{"direction": "inbound"})},
		{Event: "xfrm.sa.created", Severity: "Info", Count: 2, Attributes: peer(map[string]string{"direction": "outbound"})},
		{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "inbound"})},
		{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "outbound"})},
	},
	"the receiver's daemon killed, its associations flushed: the other side sends on": {
		{Event: "xfrm.packet.dropped", Severity: "Warn", Count: 10, Attributes: peer(map[string]string{
			"direction": "inbound", "reason": "no_states",
		}), Body: "no security association with SPI 0x"},
	},
	"the sender's daemon stopped: all goes in clear, nothing counts": {
		{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "inbound"})},
		{Event: "xfrm.sa.deleted", Severity: "Info", Count: 1, Attributes: peer(map[string]string{"direction": "outbound"})},
	},
}

// StrongSwan are those mistakes.
func StrongSwan() []Step {
	var steps []Step
	for _, mistake := range append(tunnel.StrongSwanMistakes(), tunnel.Changes()...) {
		expected, ok := mistakes[mistake.Name]
		if !ok {
			continue
		}
		steps = append(steps, Step{
			Name: mistake.Name, Expect: expected,
			Run: func(w *World) error {
				return mistake.Run(w.Lab, func(_ *tunnel.Tunnel, do func() error) error {
					w.Settle() // the collector sees that charon listens to acquires
					return do()
				})
			},
		})
	}
	return steps
}
