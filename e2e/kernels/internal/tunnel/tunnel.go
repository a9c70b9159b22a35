// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// Tunnel is the pair of daemons.
type Tunnel struct {
	lab         *lab.Lab
	daemon      daemon
	here, there *peer
	// children are those of There, which builds them.
	children []child
}

// Prepare gives both sides their networks, and routes to the other's.
func Prepare(l *lab.Lab) error {
	for _, end := range []struct {
		side         *lab.Side
		own, foreign network
		gateway      net.IP
	}{
		{l.Here, hereNetwork, thereNetwork, l.There.Addr},
		{l.There, thereNetwork, hereNetwork, l.Here.Addr},
		{l.Here, hereOther, thereOther, l.There.Addr},
		{l.There, thereOther, hereOther, l.Here.Addr},
	} {
		link, err := end.side.Netlink.LinkByName(end.side.Device)
		if err != nil {
			return fmt.Errorf("finding %s: %w", end.side.Device, err)
		}
		own := &net.IPNet{IP: net.ParseIP(end.own.address).To4(), Mask: net.CIDRMask(24, 32)}
		if err := end.side.Netlink.AddrAdd(link, &netlink.Addr{IPNet: own}); err != nil {
			return fmt.Errorf("adding an address: %w", err)
		}
		_, foreign, err := net.ParseCIDR(end.foreign.net)
		if err != nil {
			return err
		}
		err = end.side.Netlink.RouteAdd(&netlink.Route{Dst: foreign, Gw: end.gateway, Src: own.IP})
		if err != nil {
			return fmt.Errorf("adding a route: %w", err)
		}
	}
	return nil
}

// start starts both daemons.
func start(l *lab.Lab, d daemon, here, there settings) (*Tunnel, error) {
	const hereDir, thereDir = "/tmp/ike-here", "/tmp/ike-there"
	t := &Tunnel{lab: l, daemon: d, children: there.children}
	var err error
	if t.here, err = d.start(l.Here, hereDir, here); err != nil {
		return t, t.failed(err)
	}
	t.there, err = d.start(l.There, thereDir, there)
	return t, t.failed(err)
}

// usual are the settings of a tunnel without mistakes.
func usual(l *lab.Lab) (here, there settings) {
	return settings{local: l.Here.Addr, remote: l.There.Addr, children: one(hereNetwork.net, thereNetwork.net)},
		settings{local: l.There.Addr, remote: l.Here.Addr, children: one(thereNetwork.net, hereNetwork.net)}
}

// establish starts both daemons as they should be, and has There build the tunnel.
func establish(l *lab.Lab, d daemon) (*Tunnel, error) {
	here, there := usual(l)
	t, err := start(l, d, here, there)
	if err == nil {
		err = t.open()
	}
	return t, err
}

// open has There build all children, and waits until both sides have them.
func (t *Tunnel) open() error {
	for _, c := range t.children {
		if err := t.there.do(t.daemon.up(c.name)); err != nil {
			return t.failed(err)
		}
	}
	return t.failed(t.isOpen())
}

func (t *Tunnel) isOpen() error { return t.has(2*len(t.children), 2*len(t.children)) }

// has waits until both sides have associations, and their policies: a daemon
// installs these last.
func (t *Tunnel) has(least, most int) error {
	return wait("both sides have the tunnel", func() (bool, error) {
		for _, side := range []*lab.Side{t.lab.Here, t.lab.There} {
			sas, err := associations(side)
			if err != nil || len(sas) < least || len(sas) > most {
				return false, err
			}
			for _, dir := range []netlink.Dir{netlink.XFRM_DIR_IN, netlink.XFRM_DIR_OUT} {
				n, err := policiesOf(side, dir)
				if err != nil || n < len(t.children) {
					return false, err
				}
			}
		}
		return true, nil
	})
}

// policiesOf counts the policies of a side that demand associations.
func policiesOf(side *lab.Side, dir netlink.Dir) (count int, err error) {
	all, err := side.Netlink.XfrmPolicyList(netlink.FAMILY_ALL)
	if err != nil {
		return 0, fmt.Errorf("listing policies: %w", err)
	}
	for _, policy := range all {
		if policy.Dir == dir && len(policy.Tmpls) > 0 {
			count++
		}
	}
	return count, nil
}

// associations are those of a side. Larval ones have no algorithm.
func associations(side *lab.Side) (sas []netlink.XfrmState, err error) {
	all, err := side.Netlink.XfrmStateList(netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("listing associations: %w", err)
	}
	for _, sa := range all {
		if sa.Crypt != nil {
			sas = append(sas, sa)
		}
	}
	return sas, nil
}

// failed adds to an error what the daemons wrote.
func (t *Tunnel) failed(err error) error {
	if err == nil {
		return nil
	}
	for _, p := range []*peer{t.here, t.there} {
		if p != nil {
			err = fmt.Errorf("%w; daemon of %s: %s", err, p.side.Device, p.log())
		}
	}
	return err
}

// end kills both daemons and removes what they left in the kernel.
func (t *Tunnel) end() error {
	var errs []error
	for _, p := range []*peer{t.here, t.there} {
		if p != nil && p.cmd != nil {
			errs = append(errs, p.end(syscall.SIGKILL))
		}
	}
	return errors.Join(append(errs, t.lab.Flush())...)
}
