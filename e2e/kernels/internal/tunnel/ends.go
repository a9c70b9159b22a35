// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

const (
	ifID = 42
	// libreswan would make an interface of this name itself.
	xfrmInterface = "ipsec42"
	mark          = 5
	vtiInterface  = "vti5"
)

// ends is the network under a tunnel.
type ends struct {
	lab *lab.Lab
	// here and there are the addresses of the daemons.
	here, there net.IP
	undo        []func() error
}

func newEnds(l *lab.Lab) *ends { return &ends{lab: l, here: l.Here.Addr, there: l.There.Addr} }

// restore takes back all changes.
func (e *ends) restore() error {
	var errs []error
	for _, undo := range e.undo {
		errs = append(errs, undo())
	}
	return errors.Join(errs...)
}

// useIPv6 gives both sides addresses of IPv6 for their daemons.
func (e *ends) useIPv6() error {
	e.here, e.there = net.ParseIP("fd00::1"), net.ParseIP("fd00::2")
	for side, ip := range map[*lab.Side]net.IP{e.lab.Here: e.here, e.lab.There: e.there} {
		link, err := side.Netlink.LinkByName(side.Device)
		if err != nil {
			return fmt.Errorf("finding %s: %w", side.Device, err)
		}
		setting := "ipv6/conf/" + side.Device + "/disable_ipv6"
		// This removes the addresses too.
		e.undo = append(e.undo, func() error { return side.Set(setting, "1") })
		err = errors.Join(side.Set(setting, "0"), side.Netlink.AddrAdd(link, &netlink.Addr{
			IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD,
		}))
		if err != nil {
			return fmt.Errorf("setting IPv6 up: %w", err)
		}
	}
	return nil
}

// useIPv6Inside gives both sides networks of IPv6 too.
func (e *ends) useIPv6Inside() error {
	if err := e.useIPv6(); err != nil {
		return err
	}
	for _, end := range []struct {
		side         *lab.Side
		own, foreign network
		gateway      net.IP
	}{
		{e.lab.Here, hereIPv6, thereIPv6, e.there},
		{e.lab.There, thereIPv6, hereIPv6, e.here},
	} {
		link, err := end.side.Netlink.LinkByName(end.side.Device)
		if err != nil {
			return fmt.Errorf("finding %s: %w", end.side.Device, err)
		}
		_, foreign, err := net.ParseCIDR(end.foreign.net)
		if err != nil {
			return err
		}
		own := net.ParseIP(end.own.address)
		// They go with the others.
		err = errors.Join(end.side.Netlink.AddrAdd(link, &netlink.Addr{
			IPNet: &net.IPNet{IP: own, Mask: net.CIDRMask(64, 128)}, Flags: unix.IFA_F_NODAD,
		}), end.side.Netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: foreign, Gw: end.gateway, Src: own}))
		if err != nil {
			return fmt.Errorf("setting networks of IPv6 up: %w", err)
		}
	}
	return nil
}

// addXfrmInterface routes the private networks through an interface with an if_id.
func (e *ends) addXfrmInterface() error {
	return e.through(func(_, _ *lab.Side) netlink.Link {
		return &netlink.Xfrmi{LinkAttrs: netlink.LinkAttrs{Name: xfrmInterface}, Ifid: ifID}
	})
}

// addVTI routes them through an interface that marks packets.
func (e *ends) addVTI() error {
	return e.through(func(own, other *lab.Side) netlink.Link {
		return &netlink.Vti{
			LinkAttrs: netlink.LinkAttrs{Name: vtiInterface}, IKey: mark, OKey: mark, Local: own.Addr, Remote: other.Addr,
		}
	})
}

// through makes an interface at both sides and routes through it.
func (e *ends) through(make func(own, other *lab.Side) netlink.Link) error {
	for _, end := range []struct {
		own, other     *lab.Side
		inner, foreign network
	}{
		{e.lab.Here, e.lab.There, hereNetwork, thereNetwork},
		{e.lab.There, e.lab.Here, thereNetwork, hereNetwork},
	} {
		handle := end.own.Netlink
		link := make(end.own, end.other)
		if err := handle.LinkAdd(link); err != nil {
			return fmt.Errorf("making %s: %w", link.Attrs().Name, err)
		}
		_, foreign, err := net.ParseCIDR(end.foreign.net)
		if err != nil {
			return err
		}
		route := netlink.Route{Dst: foreign, Src: net.ParseIP(end.inner.address).To4()}
		direct, indirect := route, route
		direct.Gw, indirect.LinkIndex = end.other.Addr, link.Attrs().Index
		e.undo = append(e.undo, func() error {
			return errors.Join(handle.LinkDel(link), handle.RouteReplace(&direct))
		})
		if err := errors.Join(handle.LinkSetUp(link), handle.RouteReplace(&indirect)); err != nil {
			return fmt.Errorf("routing through %s: %w", link.Attrs().Name, err)
		}
	}
	return nil
}

// roam gives There another address and takes the one away that it has.
func (t *Tunnel) roam(flows []*flow) error {
	f := flows[0]
	if err := f.both(20, 20); err != nil {
		return err
	}
	there := t.lab.There
	link, err := there.Netlink.LinkByName(there.Device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", there.Device, err)
	}
	address := func(ip net.IP) *netlink.Addr {
		return &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(24, 32)}}
	}
	other := net.IPv4(10, 0, 0, 4).To4()
	err = errors.Join(there.Set("ipv4/conf/all/promote_secondaries", "1"),
		there.Netlink.AddrAdd(link, address(other)), there.Netlink.AddrDel(link, address(there.Addr)))
	if err != nil {
		return err
	}
	has := func(side *lab.Side, wanted net.IP) func() (bool, error) {
		return func() (bool, error) {
			sas, err := associations(side)
			n := 0
			for _, sa := range sas {
				if sa.Src.Equal(wanted) || sa.Dst.Equal(wanted) {
					n++
				}
			}
			return n == 2, err
		}
	}
	err = errors.Join(wait("Here sends to the new address", has(t.lab.Here, other)),
		wait("There uses the new address", has(there, other)))
	if err == nil {
		err = f.both(10, 10)
	}
	return errors.Join(err, there.Netlink.AddrAdd(link, address(there.Addr)), there.Netlink.AddrDel(link, address(other)))
}
