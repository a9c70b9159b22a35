// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// Tunnel is the pair of daemons.
type Tunnel struct {
	lab         *lab.Lab
	here, there *peer
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
func start(l *lab.Lab, here, there settings) (*Tunnel, error) {
	const hereDir, thereDir = "/tmp/here", "/tmp/there"
	for _, dir := range []string{hereDir, thereDir} {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	if err := here.write(hereDir, l.Here.Addr, l.There.Addr); err != nil {
		return nil, err
	}
	if err := there.write(thereDir, l.There.Addr, l.Here.Addr); err != nil {
		return nil, err
	}
	t := &Tunnel{lab: l}
	var err error
	if t.here, err = startPeer(l.Here, hereDir); err != nil {
		return t, err
	}
	t.there, err = startPeer(l.There, thereDir)
	return t, err
}

// establish starts both daemons as they should be, and has There build the
// tunnel.
func establish(l *lab.Lab) (*Tunnel, error) {
	t, err := start(l,
		settings{localNet: hereNetwork.net, remoteNet: thereNetwork.net},
		settings{localNet: thereNetwork.net, remoteNet: hereNetwork.net})
	if err != nil {
		return t, err
	}
	if err := t.there.swanctl("--initiate", "--child", "net", "--timeout", "60"); err != nil {
		return t, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		sas, err := l.Here.Netlink.XfrmStateList(netlink.FAMILY_V4)
		if err == nil && len(sas) == 2 {
			return t, nil
		}
		if time.Now().After(deadline) {
			return t, fmt.Errorf("there is no tunnel: %w; charon: %s", err, t.here.log())
		}
	}
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
