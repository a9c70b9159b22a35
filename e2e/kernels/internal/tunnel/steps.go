// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// Steps are what strongSwan does to tunnels, all with traffic in both directions.
func Steps() []traffic.Step {
	var all []traffic.Step
	for _, c := range []struct {
		name string
		settings
		do func(*Tunnel, *flow) error
	}{
		{"rekey every 3 s", settings{rekey: 3}, func(t *Tunnel, f *flow) error { return t.spend(f, 20*time.Second) }},
		{"UDP encapsulation", settings{encap: true}, func(t *Tunnel, f *flow) error { return f.both(20, 30) }},
		{"MOBIKE: the other side gets another address", settings{}, (*Tunnel).roam},
		{"closed and opened again", settings{}, func(t *Tunnel, f *flow) error {
			return errors.Join(f.both(7, 8), t.there.swanctl("--terminate", "--ike", "tunnel"), gone(t.lab.Here), t.open(), f.both(3, 4))
		}},
		{"reauthentication", settings{}, func(t *Tunnel, f *flow) error {
			return errors.Join(f.both(7, 8), t.replaced(func() error {
				return t.there.swanctl("--rekey", "--ike", "tunnel", "--reauth")
			}), f.both(3, 4))
		}},
		{"both daemons killed", settings{}, func(t *Tunnel, f *flow) error {
			return errors.Join(f.both(7, 8), t.here.end(syscall.SIGKILL), t.there.end(syscall.SIGKILL), f.both(3, 4))
		}},
	} {
		c.reqid = 100 + len(all)
		all = append(all, traffic.Step{
			Name: "strongSwan: " + c.name,
			Run: func(w *traffic.World) (report.Series, error) {
				return run(w, c.settings, c.do)
			},
		})
	}
	return all
}

// run builds a tunnel, does something to it while datagrams flow, and returns what
// both sides must have counted. The tunnel is taken down after a last scrape.
func run(w *traffic.World, s settings, do func(*Tunnel, *flow) error) (report.Series, error) {
	here, there := s, s
	here.localNet, here.remoteNet = hereNetwork.net, thereNetwork.net
	there.localNet, there.remoteNet = thereNetwork.net, hereNetwork.net
	t, err := start(w.Lab, here, there)
	if err == nil {
		err = t.open()
	}
	f := &flow{lab: w.Lab, inbound: map[int]bool{}}
	if err == nil {
		err = errors.Join(f.look(), do(t, f), w.Scrape(), f.look())
	}
	if err != nil && t.here != nil && t.there != nil {
		err = fmt.Errorf("%w; here: %s; there: %s", err, t.here.log(), t.there.log())
	}
	return f.counted(s.reqid), errors.Join(err, t.end())
}

// flow sends datagrams and counts them, and the associations that it sees.
type flow struct {
	lab             *lab.Lab
	toHere, toThere int
	// inbound are the SPIs of Here that were seen. An outbound association can
	// come and go between two looks, an inbound one stays for 5 s.
	inbound map[int]bool
}

// headers are those of a datagram in tunnel mode, which the kernel counts: IP, UDP
// and "hello".
const headers = 20 + 8 + 5

func (f *flow) both(toHere, toThere int) error {
	f.toHere += toHere
	f.toThere += toThere
	return errors.Join(
		lab.Deliver(f.lab.There, f.lab.Here, net.ParseIP(hereNetwork.address), port, toHere),
		lab.Deliver(f.lab.Here, f.lab.There, net.ParseIP(thereNetwork.address), port, toThere))
}

// look notes the associations of Here. Larval ones have no algorithm.
func (f *flow) look() error {
	sas, err := f.lab.Here.Netlink.XfrmStateList(netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing associations: %w", err)
	}
	for _, sa := range sas {
		if sa.Dst.Equal(f.lab.Here.Addr) && sa.Crypt != nil {
			f.inbound[sa.Spi] = true
		}
	}
	return nil
}

// counted are the series that the datagrams and the associations raise.
func (f *flow) counted(reqid int) report.Series {
	series := report.Series{}
	set := func(side, metric, direction string, value int) {
		series[side+" tunnel."+metric+" "+direction+" "+strconv.Itoa(reqid)] = float64(value)
	}
	for direction, n := range map[string]int{"inbound": f.toHere, "outbound": f.toThere} {
		set("here", "packet.count", direction, n)
		set("here", "io", direction, n*headers)
		set("here", "sa.created", direction, len(f.inbound))
	}
	for direction, n := range map[string]int{"inbound": f.toThere, "outbound": f.toHere} {
		set("there", "packet.count", direction, n)
		set("there", "io", direction, n*headers)
	}
	return series
}

// open has There build the tunnel, and waits until both sides have it.
func (t *Tunnel) open() error {
	if err := t.there.swanctl("--initiate", "--child", "net", "--timeout", "60"); err != nil {
		return err
	}
	return t.isOpen()
}

func (t *Tunnel) isOpen() error {
	return wait("both sides have the tunnel", func() (bool, error) {
		for _, side := range []*lab.Side{t.lab.Here, t.lab.There} {
			sas, err := side.Netlink.XfrmStateList(netlink.FAMILY_V4)
			if err != nil || len(sas) != 2 {
				return false, err
			}
		}
		return true, nil
	})
}

// spend sends datagrams for a time in which the associations are replaced.
func (t *Tunnel) spend(f *flow, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := errors.Join(f.both(5, 4), f.look()); err != nil {
			return err
		}
	}
	if n := len(f.inbound); n < 4 {
		return fmt.Errorf("the daemons replaced the associations %d times", n-1)
	}
	return nil
}

// replaced waits until Here has other associations than before, and both sides have
// the tunnel again.
func (t *Tunnel) replaced(begin func() error) error {
	before := map[int]bool{}
	sas, err := t.lab.Here.Netlink.XfrmStateList(netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, sa := range sas {
		before[sa.Spi] = true
	}
	if err := begin(); err != nil {
		return err
	}
	return wait("the associations are replaced", func() (bool, error) {
		sas, err := t.lab.Here.Netlink.XfrmStateList(netlink.FAMILY_V4)
		for _, sa := range sas {
			if before[sa.Spi] {
				return false, err
			}
		}
		return t.isOpen() == nil, err
	})
}

// roam gives There another address and takes the one away that it has.
func (t *Tunnel) roam(f *flow) error {
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
			sas, err := side.Netlink.XfrmStateList(netlink.FAMILY_V4)
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

func wait(what string, condition func() (bool, error)) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ok, err := condition()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain until %s: %w", what, err)
		}
	}
}
