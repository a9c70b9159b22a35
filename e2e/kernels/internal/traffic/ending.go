// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// ending are associations that end.
func ending() []Step {
	return []Step{
		{
			Name: "deleted between two scrapes",
			Expect: report.Series{
				"here tunnel.packet.count inbound 20": 51, "there tunnel.packet.count outbound 20": 51,
				"here tunnel.io inbound 20": 51 * size, "here tunnel.sa.created inbound 20": 1,
			},
			After: report.Series{"here tunnel.sa.count inbound 20": 0},
			Run: func(w *World) (report.Series, error) {
				return nil, errors.Join(w.pair(0x3000, 20), lab.Deliver(w.There, w.Here, w.Here.Addr, port, 51), w.delete(0x3000, 20))
			},
		},
		{
			Name: "many rekeys between two scrapes",
			Expect: report.Series{
				"here tunnel.packet.count inbound 21": 60, "here tunnel.packet.count outbound 21": 40,
				"there tunnel.packet.count inbound 21": 40, "there tunnel.packet.count outbound 21": 60,
				"here tunnel.io inbound 21": 60 * size, "here tunnel.io outbound 21": 40 * size,
				"here tunnel.sa.created inbound 21": 20, "here tunnel.sa.created outbound 21": 20,
			},
			After: report.Series{"here tunnel.sa.count inbound 21": 0},
			Run: func(w *World) (report.Series, error) {
				for i := range 20 {
					spi := 0x4000 + 2*i
					if err := errors.Join(w.pair(spi, 21), w.both(3, 2), w.delete(spi, 21), w.FlushPolicies()); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
		},
		{
			Name:   "a hard limit of packets",
			Expect: report.Series{"here tunnel.packet.count inbound 22": 10, "here tunnel.io inbound 22": 10 * size},
			After:  report.Series{"here tunnel.sa.count inbound 22": 0},
			Kernel: report.Counters{"XfrmInStateExpired": 1, "XfrmInNoStates": 4},
			Run: func(w *World) (report.Series, error) {
				in := Manual(w.There, w.Here, 0x5000, 22)
				in.Limits.PacketHard = 10
				out := Manual(w.There, w.Here, 0x5000, 22)
				// The eleventh expires it, and a timer removes it.
				err := errors.Join(w.Here.Add(in), w.There.Add(out, lab.Policy(w.Here.Addr, port, out)),
					w.There.Datagrams(w.Here.Addr, port, 11), w.isRemoved(in))
				return nil, errors.Join(err, w.There.Datagrams(w.Here.Addr, port, 4))
			},
		},
		{
			Name: "half of a hard limit of packets",
			After: report.Series{
				"there tunnel.sa.lifetime.utilization outbound 33": 0.5, "there tunnel.sequence.utilization 33": 50.0 / math.MaxUint32,
			},
			Gone: []string{"here tunnel.sa.lifetime.utilization inbound 33"},
			Run: func(w *World) (report.Series, error) {
				in, out := Manual(w.There, w.Here, 0x5050, 33), Manual(w.There, w.Here, 0x5050, 33)
				out.Limits.PacketHard = 100
				return nil, errors.Join(w.Here.Add(in), w.There.Add(out, lab.Policy(w.Here.Addr, port, out)),
					lab.Deliver(w.There, w.Here, w.Here.Addr, port, 50))
			},
		},
		{
			Name:   "a hard limit of time",
			Expect: report.Series{"here tunnel.packet.count inbound 23": 7},
			After:  report.Series{"here tunnel.sa.count inbound 23": 0},
			Run: func(w *World) (report.Series, error) {
				in, out := Manual(w.There, w.Here, 0x5100, 23), Manual(w.There, w.Here, 0x5100, 23)
				in.Limits.TimeHard = 3
				err := errors.Join(w.Here.Add(in), w.There.Add(out, lab.Policy(w.Here.Addr, port, out)),
					lab.Deliver(w.There, w.Here, w.Here.Addr, port, 7))
				return nil, errors.Join(err, w.isRemoved(in))
			},
		},
		{
			Name:   "an update in place",
			Expect: report.Series{"here tunnel.packet.count inbound 24": 11, "here tunnel.sa.created inbound 24": 1},
			Run: func(w *World) (report.Series, error) {
				if err := errors.Join(w.pair(0x5200, 24), lab.Deliver(w.There, w.Here, w.Here.Addr, port, 5)); err != nil {
					return nil, err
				}
				update := Manual(w.There, w.Here, 0x5200, 24)
				update.Limits.TimeHard = 1000
				return nil, errors.Join(w.Here.Netlink.XfrmStateUpdate(update), lab.Deliver(w.There, w.Here, w.Here.Addr, port, 6))
			},
		},
		{
			Name:   "all flushed after a scrape",
			Expect: report.Series{"here tunnel.packet.count inbound 25": 9},
			After:  report.Series{"here tunnel.sa.count inbound 25": 0, "here sa.count": 0},
			Run: func(w *World) (report.Series, error) {
				return nil, errors.Join(w.pair(0x5300, 25), lab.Deliver(w.There, w.Here, w.Here.Addr, port, 9), w.Scrape(), w.Flush())
			},
		},
		{
			Name: "more events than the kernel keeps for a collector that is stopped",
			// What lived on is exact.
			Logs:   "ENOBUFS",
			Expect: report.Series{"here tunnel.packet.count inbound 26": 13},
			After:  report.Series{"here tunnel.sa.count inbound 26": 1},
			Run: func(w *World) (report.Series, error) {
				if err := errors.Join(w.pair(0x5400, 26), w.Scrape(), w.Signal(unix.SIGSTOP)); err != nil {
					return nil, err
				}
				for i := range 20_000 {
					sa := Manual(w.There, w.Here, 0x100000+i, 27)
					if err := errors.Join(w.Here.Add(sa), w.Here.Netlink.XfrmStateDel(sa)); err != nil {
						return nil, err
					}
				}
				return nil, errors.Join(lab.Deliver(w.There, w.Here, w.Here.Addr, port, 13), w.Signal(unix.SIGCONT))
			},
		},
		{
			Name: "the collector's memory holds no key",
			Run: func(w *World) (report.Series, error) {
				if err := errors.Join(w.pair(0x5500, 28), w.both(3, 3), w.Scrape(), w.delete(0x5500, 28), w.Scrape()); err != nil {
					return nil, err
				}
				for _, seed := range []byte{1, 2} {
					found, own, err := w.Search(Secret(seed))
					if err != nil {
						return nil, err
					}
					if own == 0 {
						return nil, errors.New("the search does not find the key in the memory of this process")
					}
					if found > 0 {
						return nil, fmt.Errorf("the key is in %d places", found)
					}
				}
				return nil, nil
			},
		},
		{
			Name:  "the collector restarted",
			After: report.Series{"here tunnel.packet.count inbound 29": 3, "here tunnel.sa.created inbound 29": 0, "here tunnel.sa.count inbound 29": 1},
			Run: func(w *World) (report.Series, error) {
				err := errors.Join(w.pair(0x5600, 29), lab.Deliver(w.There, w.Here, w.Here.Addr, port, 40), w.Scrape())
				before := w.Start()
				if err := errors.Join(err, w.Restart(), w.Scrape()); err != nil {
					return nil, err
				}
				if !w.Start().After(before) {
					return nil, errors.New("the sums begin anew under the start that they had")
				}
				return nil, lab.Deliver(w.There, w.Here, w.Here.Addr, port, 3)
			},
		},
	}
}

// delete deletes the associations of a pair at both sides.
func (w *World) delete(spi, reqid int) error {
	var errs []error
	for _, side := range []*lab.Side{w.Here, w.There} {
		errs = append(errs,
			side.Netlink.XfrmStateDel(Manual(w.There, w.Here, spi, reqid)),
			side.Netlink.XfrmStateDel(Manual(w.Here, w.There, spi+1, reqid)))
	}
	return errors.Join(errs...)
}

// isRemoved waits until Here does not have an association any more.
func (w *World) isRemoved(sa *netlink.XfrmState) error {
	return until("the association ends", func() bool {
		_, err := w.Here.Netlink.XfrmStateGet(sa)
		return err != nil
	})
}

func until(what string, condition func() bool) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if condition() {
			return nil
		}
	}
	return fmt.Errorf("waited in vain until %s", what)
}
