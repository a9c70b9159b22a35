// SPDX-License-Identifier: Apache-2.0

package provoke

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// healthy sends through associations that work: nothing may count, and every
// packet must arrive. It shows that the other scenarios fail for their reason
// alone.
func healthy() []Scenario {
	var all []Scenario
	for _, p := range protocols {
		for _, mode := range []netlink.Mode{netlink.XFRM_MODE_TRANSPORT, netlink.XFRM_MODE_TUNNEL} {
			all = append(all, Scenario{
				Name: fmt.Sprintf("healthy %s in %s mode", p.name, mode),
				How:  "datagrams both ways through working associations",
				Run:  func(l *lab.Lab) error { return exchange(l, p.proto, mode) },
			})
		}
	}
	return all
}

// protocol is ESP or AH.
type protocol struct {
	name  string
	proto netlink.Proto
}

var protocols = []protocol{{"ESP", lab.ESP}, {"AH", lab.AH}}

// exchange sends both ways and expects every datagram.
func exchange(l *lab.Lab, proto netlink.Proto, mode netlink.Mode) error {
	ends := [][2]*lab.Side{{l.Here, l.There}, {l.There, l.Here}}
	for i, end := range ends {
		from, to := end[0], end[1]
		sa := lab.Association(from.Addr, to.Addr, proto, 0x1000+i)
		sa.Mode, sa.ReplayWindow = mode, 32
		allowed := lab.Policy(to.Addr, 0, sa)
		allowed.Dir = netlink.XFRM_DIR_IN
		if err := to.Add(sa, allowed); err != nil {
			return err
		}
		if err := from.Add(sa, lab.Policy(to.Addr, 0, sa)); err != nil {
			return err
		}
	}
	for _, end := range ends {
		if err := lab.Deliver(end[0], end[1], end[1].Addr, portOpen, 20); err != nil {
			return err
		}
	}
	return nil
}
