// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"syscall"

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
	// Confirm are commands that show the cause.
	Confirm []Confirm
	daemon  daemon
	// begin sets up, and must raise nothing; nil means a working tunnel.
	begin func(*lab.Lab) (*Tunnel, error)
	make  func(*Tunnel) error
	// remedy is what the runbook says; nil means that there is nothing to do.
	remedy func(*Tunnel) error
}

// StrongSwanMistakes are those that are made with strongSwan.
func StrongSwanMistakes() []Mistake { return mistakes(strongSwan{}) }

// LibreswanMistakes are those that are made with libreswan.
func LibreswanMistakes() []Mistake {
	all := append(mistakes(libreswan{}), setUpTwice(libreswan{}))
	for i := range all {
		all[i].Confirm = append(all[i].Confirm, libreswanShows[all[i].Name]...)
	}
	return all
}

// Run sets up, hands what makes the mistake to observe, and clears away.
func (m Mistake) Run(l *lab.Lab, observe func(t *Tunnel, do func() error) error) error {
	begin := m.begin
	if begin == nil {
		begin = func(l *lab.Lab) (*Tunnel, error) { return establish(l, m.daemon) }
	}
	t, err := begin(l)
	if err == nil {
		err = observe(t, func() error { return t.failed(m.make(t)) })
	}
	return errors.Join(err, t.end())
}

// Remedy does what the runbook says. Traffic passes then, both ways.
func (m Mistake) Remedy(t *Tunnel) error {
	var err error
	if m.remedy != nil {
		err = m.remedy(t)
	}
	return t.failed(errors.Join(err, t.deliverBoth()))
}

// Remedied begins the name of what is done after a mistake.
const Remedied = "remedied: "

// packets is how many are sent under each mistake.
const packets = 10

// mistakes are all that can be made with a daemon.
func mistakes(d daemon) []Mistake {
	all := []Mistake{
		{
			Name: "none: traffic flows both ways",
			make: (*Tunnel).deliverBoth,
		},
		{
			Name: "the associations replaced by hand",
			make: func(t *Tunnel) error {
				return errors.Join(t.replaced(func() error { return t.there.do(d.rekey("net")) }), t.deliverBoth())
			},
		},
		{
			Name:   "the SA deleted at the receiver only",
			Expect: report.Counters{"XfrmInNoStates": packets},
			make: func(t *Tunnel) error {
				if err := deleteInbound(t.lab.Here); err != nil {
					return err
				}
				return t.send()
			},
			Confirm: []Confirm{{Command: states, Lacks: `src 10\.0\.0\.2 dst 10\.0\.0\.1`, Means: "no SA to this machine"}},
			remedy:  func(t *Tunnel) error { return d.again(t.there, t.children) },
		},
		{
			Name:    "traffic replayed",
			Expect:  report.Counters{"XfrmInStateSeqError": packets},
			make:    (*Tunnel).replay,
			Confirm: []Confirm{{Command: states, Shows: `replay 10 failed 0`, Means: "`replay 10`"}},
		},
		{
			Name:   "another traffic selector in the receiver's policy",
			Expect: report.Counters{"XfrmInNoPols": packets},
			make: func(t *Tunnel) error {
				if err := narrowInbound(t.lab.Here, "10.1.0.128/25"); err != nil {
					return err
				}
				return t.send()
			},
			Confirm: []Confirm{{Command: policies, Shows: `dst 10\.1\.0\.128/25`, Means: "the selector that is too narrow"}},
			remedy:  func(t *Tunnel) error { return d.again(t.there, t.children) },
		},
		onDemand(d, "another traffic selector in the other side's configuration, trap policy here", "TS_UNACCEPTABLE",
			func(there *settings) { there.children = one(thereNetwork.net, "10.9.0.0/24") }),
		onDemand(d, "another secret in the other side's configuration, trap policy here", "AUTHENTICATION_FAILED",
			func(there *settings) { there.secret = "not a secret either, and not the same" }),
		onDemand(d, "another cipher in the other side's configuration, trap policy here", "NO_PROPOSAL_CHOSEN",
			func(there *settings) { there.cipher = "aes256" }),
		{
			Name:   "the sender's daemon killed, its policies gone: plain traffic arrives",
			Expect: report.Counters{"XfrmInTmplMismatch": packets},
			make: func(t *Tunnel) error {
				return errors.Join(t.there.end(syscall.SIGKILL), t.lab.There.Flush(), t.send())
			},
			Confirm: []Confirm{
				{Command: policies + " list dir in", Shows: `tmpl src 10\.0\.0\.2 dst 10\.0\.0\.1`, Means: "the policy with its `tmpl` line"},
				{There: true, Command: policies, Lacks: "tmpl", Means: "no policy"},
			},
			remedy: (*Tunnel).restartThere,
		},
		{
			Name: "the sender's daemon stopped: all goes in clear, nothing counts",
			make: func(t *Tunnel) error {
				if err := errors.Join(t.there.end(syscall.SIGTERM), gone(t.lab.Here)); err != nil {
					return err
				}
				return t.deliver(t.lab.There, t.lab.Here, hereNetwork)
			},
			Confirm: []Confirm{
				{Command: states, Lacks: "proto", Means: "no SA"},
				{There: true, Command: policies, Lacks: "tmpl", Means: "no policy"},
			},
			remedy: (*Tunnel).restartThere,
		},
	}
	for i := range all {
		all[i].daemon = d
	}
	return all
}

// setUpTwice is a mistake that strongSwan refuses.
func setUpTwice(d daemon) Mistake {
	return Mistake{
		Name:   "set up twice: the associations pile up",
		daemon: d,
		make: func(t *Tunnel) error {
			return errors.Join(t.there.do(d.up("net")), t.has(4, 4), t.deliverBoth())
		},
		Confirm: []Confirm{
			{Command: states, Shows: `(?s)(src 10\.0\.0\.2 dst 10\.0\.0\.1.*){2}`, Means: "two SAs to this machine"},
		},
		remedy: func(t *Tunnel) error { return errors.Join(d.again(t.there, t.children), t.isOpen()) },
	}
}

// onDemand is a mistake in the configuration of There, which shows when Here asks
// for the tunnel: There answers with a notification.
func onDemand(d daemon, name, notify string, mistake func(there *settings)) Mistake {
	return Mistake{
		Name:   name,
		Expect: report.Counters{"XfrmOutNoStates": packets},
		begin: func(l *lab.Lab) (*Tunnel, error) {
			here, there := usual(l)
			here.trap = true
			mistake(&there)
			return start(l, d, here, there)
		},
		make: func(t *Tunnel) error {
			return t.lab.Here.Datagrams(net.ParseIP(thereNetwork.address), port, packets)
		},
		Confirm: []Confirm{
			{Command: policies + " list dir out", Shows: `src 10\.1\.0\.0/24 dst 10\.2\.0\.0/24(?s).*tmpl `, Means: "the policy with its `tmpl` line"},
			{Command: states, Lacks: "enc ", Means: "no SA with an `enc` line"},
			{Command: d.up("net"), Shows: notify, Means: "`" + notify + "`"},
		},
		remedy: func(t *Tunnel) error {
			_, there := usual(t.lab)
			if err := d.load(t.there, there); err != nil {
				return err
			}
			// Here still tries. If both do at once, the command of one can fail.
			if err := t.there.do(d.up("net")); err != nil && t.has(2, 4) != nil {
				return err
			}
			return nil
		},
	}
}

// send sends datagrams to Here, and does not look whether they arrive.
func (t *Tunnel) send() error {
	return t.lab.There.Datagrams(net.ParseIP(hereNetwork.address), port, packets)
}

// deliverBoth sends datagrams in both directions and waits until all have arrived.
func (t *Tunnel) deliverBoth() error {
	return errors.Join(t.deliver(t.lab.There, t.lab.Here, hereNetwork), t.deliver(t.lab.Here, t.lab.There, thereNetwork))
}

// restartThere starts the daemon of There again.
func (t *Tunnel) restartThere() (err error) {
	_, there := usual(t.lab)
	if t.there, err = t.daemon.start(t.lab.There, t.there.dir, there); err != nil {
		return err
	}
	return t.there.do(t.daemon.up("net"))
}

const port = 7000

// deliver sends datagrams to a network and waits until all have arrived.
func (t *Tunnel) deliver(from, to *lab.Side, destination network) error {
	return lab.Deliver(from, to, net.ParseIP(destination.address), port, packets)
}

// replay sends a packet again that has been received through the tunnel.
func (t *Tunnel) replay() error {
	wire, frame, err := t.lab.There.Catch(unix.IPPROTO_ESP, func() error {
		return lab.Deliver(t.lab.There, t.lab.Here, net.ParseIP(hereNetwork.address), port, 1)
	})
	if err != nil {
		return err
	}
	defer wire.Close()
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

// gone waits until a side has no inbound policy of the tunnel any more. libreswan
// keeps an outbound one: a trap.
func gone(side *lab.Side) error {
	return wait("the tunnel's inbound policies are gone", func() (bool, error) {
		n, err := policiesOf(side, netlink.XFRM_DIR_IN)
		return err == nil && n == 0, err
	})
}
