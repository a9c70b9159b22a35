// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// flow sends datagrams through a pair of associations, and counts them and the
// associations that it sees.
type flow struct {
	lab *lab.Lab
	// address is that of Here's daemon, hereIP and thereIP are where datagrams go.
	address, hereIP, thereIP net.IP
	// size is what the kernel counts for a datagram.
	size  int
	reqid int
	and   string
	// sent and arrived are datagrams in each direction. dropped are those that the
	// sender's kernel did not send.
	toHere, toThere struct{ sent, dropped, arrived int }
	// inbound are the SPIs of Here that were seen. An outbound association can
	// come and go between two looks, an inbound one stays for seconds.
	inbound map[int]bool
	mutex   sync.Mutex
}

func newFlow(e *ends, s situation, own, foreign network, reqid int) *flow {
	f := &flow{
		lab: e.lab, address: e.here, hereIP: net.ParseIP(own.address), thereIP: net.ParseIP(foreign.address),
		size: 20 + 8 + 5, reqid: reqid, and: s.and, inbound: map[int]bool{}, // IP, UDP, "hello".
	}
	if f.hereIP.To4() == nil {
		f.size += 20 // IPv6
	}
	if s.transport {
		f.hereIP, f.thereIP, f.size = e.here, e.there, 8+5
	}
	return f
}

// both sends in both directions and waits until all has arrived.
func (f *flow) both(toHere, toThere int) error {
	if err := f.attempt(toHere, toThere); err != nil {
		return err
	}
	if f.toHere.arrived != f.toHere.sent || f.toThere.arrived != f.toThere.sent {
		return fmt.Errorf("datagrams were lost: to Here %+v, to There %+v", f.toHere, f.toThere)
	}
	return nil
}

// attempt sends in both directions. Some may be lost: when libreswan replaces
// associations, one side uses the new ones before the other has them.
func (f *flow) attempt(toHere, toThere int) error {
	here, err := lab.Attempt(f.lab.There, f.lab.Here, f.hereIP, port, toHere)
	if err != nil {
		return err
	}
	there, err := lab.Attempt(f.lab.Here, f.lab.There, f.thereIP, port, toThere)
	f.toHere.sent += toHere
	f.toHere.arrived += here
	f.toThere.sent += toThere
	f.toThere.arrived += there
	return err
}

// look notes the associations of Here.
func (f *flow) look() error {
	sas, err := associations(f.lab.Here)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, sa := range sas {
		if sa.Dst.Equal(f.address) && sa.Reqid == f.reqid {
			f.inbound[sa.Spi] = true
		}
	}
	return err
}

// associations is how many of Here it has seen in each direction.
func (f *flow) associations() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return len(f.inbound)
}

// lookAlways looks again and again, until it is told to look for the last time.
func lookAlways(flows []*flow) (last func() error) {
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				done <- look(flows)
				return
			case <-time.After(50 * time.Millisecond):
				_ = look(flows) // The last look tells whether it fails.
			}
		}
	}()
	return func() error {
		close(stop)
		return <-done
	}
}

func look(flows []*flow) error {
	var errs []error
	for _, f := range flows {
		errs = append(errs, f.look())
	}
	return errors.Join(errs...)
}

// counted are the series that the datagrams and the associations raise.
func counted(flows []*flow) report.Series {
	series := report.Series{}
	for _, f := range flows {
		set := func(side, metric, direction string, value int) {
			series[fmt.Sprintf("%s tunnel.%s %s %d%s", side, metric, direction, f.reqid, f.and)] = float64(value)
		}
		for direction, n := range map[string]int{"inbound": f.toHere.arrived, "outbound": f.toThere.sent - f.toThere.dropped} {
			set("here", "packet.count", direction, n)
			set("here", "io", direction, n*f.size)
			set("here", "sa.created", direction, f.associations())
		}
		for direction, n := range map[string]int{"inbound": f.toThere.arrived, "outbound": f.toHere.sent - f.toHere.dropped} {
			set("there", "packet.count", direction, n)
			set("there", "io", direction, n*f.size)
		}
	}
	return series
}
