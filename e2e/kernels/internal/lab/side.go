// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Side is one of the two network namespaces.
type Side struct {
	Addr   net.IP
	Device string
	// Netlink acts inside the namespace.
	Netlink *netlink.Handle
	ns      *os.File
}

// Lab is the pair. The collector runs in Here, whose counters are tested.
type Lab struct {
	Here, There *Side
}

// New makes the network. The calling thread's namespace becomes Here.
func New() (*Lab, error) {
	here, err := newSide(net.IPv4(10, 0, 0, 1), "v0", func() error { return nil })
	if err != nil {
		return nil, err
	}
	there, err := newSide(net.IPv4(10, 0, 0, 2), "v1", func() error { return unix.Unshare(unix.CLONE_NEWNET) })
	if err != nil {
		return nil, err
	}
	l := &Lab{Here: here, There: there}
	if err := Join(here, there); err != nil {
		return nil, err
	}
	return l, nil
}

// newSide takes the namespace that enter leads a fresh thread into.
func newSide(addr net.IP, device string, enter func() error) (*Side, error) {
	s := &Side{Addr: addr.To4(), Device: device}
	err := onThread(func() (err error) {
		if err := enter(); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		// Nothing but the test's own packets shall be on the wire.
		for _, which := range []string{"all", "default"} {
			if err := setting("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", "1"); err != nil {
				return err
			}
		}
		for _, which := range []string{"all", "default"} {
			if err := setting("/proc/sys/net/ipv4/conf/"+which+"/send_redirects", "0"); err != nil {
				return err
			}
		}
		s.ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Netlink, err = netlink.NewHandleAt(netns.NsHandle(s.ns.Fd()), unix.NETLINK_ROUTE, unix.NETLINK_XFRM)
	if err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	lo, err := s.Netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	return s, s.Netlink.LinkSetUp(lo)
}

func setting(file, value string) error { return os.WriteFile(file, []byte(value), 0o600) }

// Set writes a file of /proc/sys/net of the namespace.
func (s *Side) Set(file, value string) error {
	return s.Do(func() error { return setting("/proc/sys/net/"+file, value) })
}

// Join lays a veth pair between two namespaces and tells each the other's
// hardware address, so that no ARP is needed.
func Join(a, b *Side) error {
	pair := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: a.Device}, PeerName: b.Device, PeerNamespace: netlink.NsFd(b.ns.Fd()),
	}
	if err := a.Netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("making a veth pair: %w", err)
	}
	links := map[*Side]netlink.Link{}
	for _, s := range []*Side{a, b} {
		link, err := s.Netlink.LinkByName(s.Device)
		if err != nil {
			return fmt.Errorf("finding %s: %w", s.Device, err)
		}
		links[s] = link
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: s.Addr, Mask: net.CIDRMask(24, 32)}}
		if err := s.Netlink.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("giving %s its address: %w", s.Device, err)
		}
		if err := s.Netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("setting %s up: %w", s.Device, err)
		}
	}
	for s, peer := range map[*Side]*Side{a: b, b: a} {
		err := s.Netlink.NeighSet(&netlink.Neigh{
			LinkIndex: links[s].Attrs().Index, State: netlink.NUD_PERMANENT,
			IP: peer.Addr, HardwareAddr: links[peer].Attrs().HardwareAddr,
		})
		if err != nil {
			return fmt.Errorf("setting a neighbour: %w", err)
		}
	}
	return nil
}

// Do calls f on a thread inside the namespace. f must not start goroutines.
func (s *Side) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(s.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return f()
	})
}

// onThread calls f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// Flush removes all policies and associations of both sides.
func (l *Lab) Flush() error {
	return errors.Join(l.Here.Flush(), l.There.Flush())
}

// FlushPolicies removes all policies of both sides.
func (l *Lab) FlushPolicies() error {
	return errors.Join(l.Here.flushPolicies(), l.There.flushPolicies())
}

func (s *Side) flushPolicies() error {
	if err := s.Netlink.XfrmPolicyFlush(); err != nil {
		return fmt.Errorf("removing policies: %w", err)
	}
	return nil
}

// Flush removes all policies and associations of the side.
func (s *Side) Flush() error {
	if err := s.flushPolicies(); err != nil {
		return err
	}
	if err := s.Netlink.XfrmStateFlush(0); err != nil {
		return fmt.Errorf("removing associations: %w", err)
	}
	return nil
}
