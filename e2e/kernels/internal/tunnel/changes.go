// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"net"
	"syscall"
)

// Changes are what becomes of the associations of a tunnel of strongSwan, without a
// mistake in its configuration. What they raise is not said.
func Changes() []Mistake {
	return []Mistake{
		{
			daemon: strongSwan{},
			Name:   "the receiver's daemon killed, its associations flushed: the other side sends on",
			make: func(t *Tunnel) error {
				return errors.Join(t.here.end(syscall.SIGKILL), t.lab.Here.Netlink.XfrmStateFlush(0),
					t.lab.There.Datagrams(net.ParseIP(hereNetwork.address), port, packets))
			},
		},
	}
}
