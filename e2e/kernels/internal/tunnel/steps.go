// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// StrongSwan are the steps that are done with strongSwan, all with traffic in both
// directions.
func StrongSwan() []traffic.Step {
	return steps("strongSwan", strongSwan{}, append(common(),
		situation{name: "MOBIKE: the other side gets another address", do: (*Tunnel).roam},
		situation{name: "reauthentication", do: func(t *Tunnel, f []*flow) error {
			return errors.Join(f[0].both(7, 8), t.replaced(func() error {
				return t.there.do("swanctl --rekey --ike tunnel --reauth")
			}), f[0].both(3, 4))
		}},
	))
}

// Libreswan are those with libreswan.
func Libreswan() []traffic.Step {
	situations := common()
	for i := range situations {
		// It marks policies, and leaves the associations without.
		if situations[i].mark != 0 {
			situations[i].and = ""
		}
	}
	return steps("libreswan", libreswan{}, situations)
}

// situation is a tunnel, and what is done to it.
type situation struct {
	name string
	settings
	// arrange changes the network; nil leaves it.
	arrange func(*ends) error
	// inside are the networks of Here and There, if not the usual ones.
	inside []network
	// and is what the names of the series have behind the reqid.
	and string
	do  func(*Tunnel, []*flow) error
}

func common() []situation {
	traffic := func(_ *Tunnel, flows []*flow) error {
		var errs []error
		for i, f := range flows {
			errs = append(errs, f.both(20+i, 30+i))
		}
		return errors.Join(errs...)
	}
	return []situation{
		{name: "rekey every 3 s", settings: settings{rekey: 3}, do: func(t *Tunnel, f []*flow) error {
			return t.spend(f[0], 20*time.Second)
		}},
		{name: "UDP encapsulation", settings: settings{encap: true}, do: traffic},
		{name: "transport mode", settings: settings{transport: true}, do: traffic},
		{name: "IPv4 in IPv6", arrange: (*ends).useIPv6, do: traffic},
		{name: "IPv6 in IPv6", arrange: (*ends).useIPv6Inside, inside: []network{hereIPv6, thereIPv6}, do: traffic},
		{name: "an xfrm interface", settings: settings{ifID: ifID}, arrange: (*ends).addXfrmInterface, and: " " + xfrmInterface, do: traffic},
		{name: "marks and a VTI interface", settings: settings{mark: mark}, arrange: (*ends).addVTI, and: " " + vtiInterface + " 0x5/0xffffffff", do: traffic},
		{name: "two children of one peer", settings: settings{children: make([]child, 2)}, do: traffic},
		{name: "closed and opened again", do: func(t *Tunnel, f []*flow) error {
			return errors.Join(f[0].both(7, 8), t.daemon.terminate(t.there, t.children), gone(t.lab.Here), t.open(), f[0].both(3, 4))
		}},
		{name: "both daemons killed", do: func(t *Tunnel, f []*flow) error {
			return errors.Join(f[0].both(7, 8), t.here.end(syscall.SIGKILL), t.there.end(syscall.SIGKILL), f[0].both(3, 4))
		}},
	}
}

func steps(name string, d daemon, situations []situation) []traffic.Step {
	var all []traffic.Step
	for i, s := range situations {
		all = append(all, traffic.Step{
			Name: name + ": " + s.name,
			Run:  func(w *traffic.World) (report.Series, error) { return s.run(w, d, 100+10*i) },
		})
	}
	return all
}

// run builds a tunnel, does something to it while datagrams flow, and returns what
// both sides must have counted. The tunnel is taken down after a last scrape.
func (s situation) run(w *traffic.World, d daemon, reqid int) (series report.Series, err error) {
	e := newEnds(w.Lab)
	if s.arrange != nil {
		err = s.arrange(e)
		defer func() { err = errors.Join(err, e.restore()) }()
	}
	if err != nil {
		return nil, err
	}
	here, there := s.settings, s.settings
	here.local, here.remote = e.here, e.there
	there.local, there.remote = e.there, e.here
	// Two sides that replace at once make more associations than are kept.
	here.rekey = 0
	here.children, there.children = nil, nil
	var flows []*flow
	for i := range max(1, len(s.children)) {
		name, own, foreign := "net", hereNetwork, thereNetwork
		switch {
		case i > 0:
			name, own, foreign = "other", hereOther, thereOther
		case s.inside != nil:
			own, foreign = s.inside[0], s.inside[1]
		}
		here.children = append(here.children, child{name, own.net, foreign.net, reqid + i})
		there.children = append(there.children, child{name, foreign.net, own.net, reqid + i})
		flows = append(flows, newFlow(e, s, own, foreign, reqid+i))
	}
	t, err := start(w.Lab, d, here, there)
	if err == nil {
		err = t.open()
	}
	if err == nil {
		looked := lookAlways(flows)
		// Dead daemons replace nothing any more: the last look sees what the collectors do.
		err = t.failed(errors.Join(s.do(t, flows), w.Scrape(), t.here.end(syscall.SIGKILL), t.there.end(syscall.SIGKILL), looked()))
	}
	return counted(flows), errors.Join(err, t.end())
}

// spend sends datagrams for a time in which the associations are replaced. A kernel
// can drop one whose association is deleted at that moment, and counts it.
func (t *Tunnel) spend(f *flow, d time.Duration) error {
	before, err := t.invalid()
	if err != nil {
		return err
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := f.attempt(5, 4); err != nil {
			return err
		}
	}
	after, err := t.invalid()
	if err != nil {
		return err
	}
	f.toThere.dropped, f.toHere.dropped = after[0]-before[0], after[1]-before[1]
	n := f.associations()
	if n < 4 {
		return fmt.Errorf("the daemons replaced the associations %d times", n-1)
	}
	if lost := f.toHere.sent + f.toThere.sent - f.toHere.arrived - f.toThere.arrived; lost > n*5 {
		return fmt.Errorf("%d datagrams were lost", lost)
	}
	return nil
}

// invalid is what Here and There counted as sent through an association that was
// invalid.
func (t *Tunnel) invalid() (counts [2]int, err error) {
	for i, side := range []*lab.Side{t.lab.Here, t.lab.There} {
		counters, err := side.Counters()
		if err != nil {
			return counts, err
		}
		counts[i] = int(counters["XfrmOutStateInvalid"])
	}
	return counts, nil
}

// replaced waits until Here has other associations than before, and both sides have
// the tunnel again.
func (t *Tunnel) replaced(begin func() error) error {
	before := map[int]bool{}
	sas, err := associations(t.lab.Here)
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
		sas, err := associations(t.lab.Here)
		for _, sa := range sas {
			if before[sa.Spi] {
				return false, err
			}
		}
		return t.isOpen() == nil, err
	})
}

func wait(what string, condition func() (bool, error)) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ok, err := condition()
		if ok {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("waited in vain until %s", what), err)
		}
	}
}
