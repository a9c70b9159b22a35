// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Mistake is something that goes wrong with a tunnel that both sides had
// configured well.
type Mistake struct {
	Name string
	// Expect is what the operator of Here finds.
	Expect report.Counters
	// begin sets up, and must raise nothing; nil means a working tunnel.
	begin func(*lab.Lab) (*Tunnel, error)
	make  func(*Tunnel) error
}

// Run sets up, hands what makes the mistake to observe, and clears away.
func (m Mistake) Run(l *lab.Lab, observe func(do func() error) error) error {
	begin := m.begin
	if begin == nil {
		begin = establish
	}
	t, err := begin(l)
	if err == nil {
		err = observe(func() error { return m.make(t) })
	}
	return errors.Join(err, t.end())
}

// packets is how many are sent under each mistake.
const packets = 10

// Mistakes are all.
func Mistakes() []Mistake {
	return []Mistake{
		{
			Name: "none: traffic flows both ways",
			make: func(t *Tunnel) error {
				return errors.Join(t.deliver(t.lab.There, t.lab.Here, hereNetwork), t.deliver(t.lab.Here, t.lab.There, thereNetwork))
			},
		},
		{
			Name:   "the SA deleted at the receiver only",
			Expect: report.Counters{"XfrmInNoStates": packets},
			make: func(t *Tunnel) error {
				if err := deleteInbound(t.lab.Here); err != nil {
					return err
				}
				return t.lab.There.Datagrams(net.ParseIP(hereNetwork.address), port, packets)
			},
		},
		{
			Name:   "traffic replayed",
			Expect: report.Counters{"XfrmInStateSeqError": packets},
			make:   (*Tunnel).replay,
		},
		{
			Name:   "another traffic selector in the receiver's policy",
			Expect: report.Counters{"XfrmInNoPols": packets},
			make: func(t *Tunnel) error {
				if err := narrowInbound(t.lab.Here, "10.1.0.128/25"); err != nil {
					return err
				}
				return t.lab.There.Datagrams(net.ParseIP(hereNetwork.address), port, packets)
			},
		},
		{
			Name:   "another traffic selector in the other side's configuration, trap policy here",
			Expect: report.Counters{"XfrmOutNoStates": packets},
			begin: func(l *lab.Lab) (*Tunnel, error) {
				return start(l, strongSwan{},
					settings{local: l.Here.Addr, remote: l.There.Addr, children: one(hereNetwork.net, thereNetwork.net), trap: true},
					settings{local: l.There.Addr, remote: l.Here.Addr, children: one(thereNetwork.net, "10.9.0.0/24")})
			},
			make: func(t *Tunnel) error {
				return t.lab.Here.Datagrams(net.ParseIP(thereNetwork.address), port, packets)
			},
		},
		{
			Name:   "the sender's daemon killed, its policies gone: plain traffic arrives",
			Expect: report.Counters{"XfrmInTmplMismatch": packets},
			make: func(t *Tunnel) error {
				if err := t.there.end(syscall.SIGKILL); err != nil {
					return err
				}
				if err := t.lab.There.Flush(); err != nil {
					return err
				}
				return t.lab.There.Datagrams(net.ParseIP(hereNetwork.address), port, packets)
			},
		},
		{
			Name: "the sender's daemon stopped: all goes in clear, nothing counts",
			make: func(t *Tunnel) error {
				if err := t.there.end(syscall.SIGTERM); err != nil {
					return err
				}
				if err := gone(t.lab.Here); err != nil {
					return err
				}
				return t.deliver(t.lab.There, t.lab.Here, hereNetwork)
			},
		},
	}
}

const port = 7000

// deliver sends datagrams to a network and waits until all have arrived.
func (t *Tunnel) deliver(from, to *lab.Side, destination network) error {
	return lab.Deliver(from, to, net.ParseIP(destination.address), port, packets)
}

// replay sends a packet again that has been received through the tunnel.
func (t *Tunnel) replay() error {
	wire, err := t.lab.There.Wire()
	if err != nil {
		return err
	}
	defer wire.Close()
	if err := lab.Deliver(t.lab.There, t.lab.Here, net.ParseIP(hereNetwork.address), port, 1); err != nil {
		return err
	}
	frame, err := wire.Sent(unix.IPPROTO_ESP)
	if err != nil {
		return err
	}
	return wire.Inject(frame, packets)
}

// deleteInbound removes a side's inbound association from the kernel, behind the
// daemon's back.
func deleteInbound(side *lab.Side) error {
	sas, err := side.Netlink.XfrmStateList(netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing associations: %w", err)
	}
	for _, sa := range sas {
		if sa.Dst.Equal(side.Addr) {
			return side.Netlink.XfrmStateDel(&sa)
		}
	}
	return errors.New("there is no inbound association")
}

// narrowInbound gives a side's inbound policy another local network.
func narrowInbound(side *lab.Side, local string) error {
	policies, err := side.Netlink.XfrmPolicyList(netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	for _, policy := range policies {
		if policy.Dir != netlink.XFRM_DIR_IN || len(policy.Tmpls) == 0 {
			continue
		}
		if err := side.Netlink.XfrmPolicyDel(&policy); err != nil {
			return fmt.Errorf("deleting a policy: %w", err)
		}
		policy.Index = 0
		if _, policy.Dst, err = net.ParseCIDR(local); err != nil {
			return err
		}
		return side.Add(&policy)
	}
	return errors.New("there is no inbound policy")
}

// gone waits until a side has no policy of the tunnel any more.
func gone(side *lab.Side) error {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		policies, err := side.Netlink.XfrmPolicyList(netlink.FAMILY_V4)
		if err != nil {
			return fmt.Errorf("listing policies: %w", err)
		}
		left := 0
		for _, policy := range policies {
			left += len(policy.Tmpls)
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the tunnel's policies stay")
		}
	}
}
