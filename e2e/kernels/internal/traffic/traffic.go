// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Step is something that is done to a tunnel.
type Step struct {
	Name string
	// Expect is how far each series rises. Those of xfrm.tunnel.packet.dropped
	// that are not named must not move.
	Expect report.Series
	// Kernel is how far the kernel's counters of Here rise.
	Kernel report.Counters
	// After are values after the step, where the rise does not tell.
	After report.Series
	// Gone are series that there are not, or not any more.
	Gone []string
	// Logs is what the collector of Here says.
	Logs string
	// Run does it. It returns what it counted itself, which the series rise by.
	Run func(*World) (report.Series, error)
	// Keep leaves the associations for the next step.
	Keep bool
}

// World is what steps act on.
type World struct {
	*lab.Lab
	// Scrape waits until both collectors have scraped.
	Scrape func() error
	// Restart ends the collector of Here and starts it again.
	Restart func() error
	// Start is the start timestamp of the tunnels' sums in the last scrape of Here.
	Start func() time.Time
	// Signal sends a signal to the collector of Here.
	Signal func(unix.Signal) error
	// Search counts the places that hold some bytes in the memory of the collector
	// of Here, and in that of this process.
	Search func([]byte) (collector, own int, err error)
}

const (
	port = 7000
	// size is what the kernel counts for one of the datagrams in transport mode:
	// "hello" behind a UDP header.
	size = 5 + 8
)

// Secret is a key that nothing else holds.
func Secret(seed byte) []byte {
	sum := sha256.Sum256([]byte{seed, 'k', 'e', 'y'})
	return sum[:]
}

// Manual is an association in transport mode with keys set by hand.
func Manual(from, to *lab.Side, spi, reqid int) *netlink.XfrmState {
	sa := lab.Association(from.Addr, to.Addr, lab.ESP, spi)
	sa.Reqid, sa.ReplayWindow = reqid, 32
	sa.Auth = &netlink.XfrmStateAlgo{Name: "hmac(sha256)", Key: Secret(1), TruncateLen: 128}
	sa.Crypt = &netlink.XfrmStateAlgo{Name: "cbc(aes)", Key: Secret(2)}
	return sa
}

// pair sets up an association for each direction at both sides.
func pair(from, to *lab.Side, spi, reqid int) error {
	in, out := Manual(from, to, spi, reqid), Manual(to, from, spi+1, reqid)
	return errors.Join(
		to.Add(in, out, lab.Policy(from.Addr, port, out)),
		from.Add(Manual(from, to, spi, reqid), Manual(to, from, spi+1, reqid), lab.Policy(to.Addr, port, in)))
}

func (w *World) pair(spi, reqid int) error { return pair(w.There, w.Here, spi, reqid) }

// both sends datagrams in both directions and waits until they have arrived.
func (w *World) both(toHere, toThere int) error {
	return errors.Join(
		lab.Deliver(w.There, w.Here, w.Here.Addr, port, toHere),
		lab.Deliver(w.Here, w.There, w.There.Addr, port, toThere))
}

// Steps are all that need no daemon, in the order in which they run.
func Steps() []Step {
	return slices.Concat(counting(), ending(), namespaces(), limit())
}

func counting() []Step {
	return []Step{
		{
			Name: "manual keys, reqid 0",
			Expect: report.Series{
				"here tunnel.packet.count inbound 0": 30, "here tunnel.packet.count outbound 0": 20,
				"here tunnel.io inbound 0": 30 * size, "here tunnel.io outbound 0": 20 * size,
				"there tunnel.packet.count inbound 0": 20, "there tunnel.packet.count outbound 0": 30,
				"there tunnel.io inbound 0": 20 * size, "there tunnel.io outbound 0": 30 * size,
				"here tunnel.sa.created inbound 0": 1, "here tunnel.sa.created outbound 0": 1,
			},
			After: report.Series{
				"here tunnel.sa.count inbound 0": 1, "here tunnel.sa.count outbound 0": 1, "here sa.count": 2,
				"here policy.count outbound": 1, "here policy.count inbound": 0, "there policy.count outbound": 1,
			},
			Run: func(w *World) (report.Series, error) {
				return nil, errors.Join(w.pair(0x1000, 0), w.both(30, 20))
			},
			Keep: true,
		},
		{
			Name: "replayed packets",
			Expect: report.Series{
				"here tunnel.packet.count inbound 0": 1, "there tunnel.packet.count outbound 0": 1,
				"here tunnel.packet.dropped replay 0": 7,
			},
			Kernel: report.Counters{"XfrmInStateSeqError": 7},
			Run: func(w *World) (report.Series, error) {
				wire, frame, err := w.caught()
				if err != nil {
					return nil, err
				}
				defer wire.Close()
				return nil, wire.Inject(frame, 7)
			},
			Keep: true,
		},
		{
			Name: "late packets",
			Expect: report.Series{
				"here tunnel.packet.count inbound 0": 41, "there tunnel.packet.count outbound 0": 41,
				"here tunnel.packet.dropped replay_window 0": 4,
			},
			Kernel: report.Counters{"XfrmInStateSeqError": 4},
			Run: func(w *World) (report.Series, error) {
				wire, frame, err := w.caught()
				if err != nil {
					return nil, err
				}
				defer wire.Close()
				return nil, errors.Join(lab.Deliver(w.There, w.Here, w.Here.Addr, port, 40), wire.Inject(frame, 4))
			},
			Keep: true,
		},
		{
			Name: "forged packets",
			Expect: report.Series{
				"here tunnel.packet.count inbound 0": 1, "there tunnel.packet.count outbound 0": 1,
				"here tunnel.packet.dropped integrity_failed 0": 5,
			},
			Kernel: report.Counters{"XfrmInStateProtoError": 5},
			Run: func(w *World) (report.Series, error) {
				wire, frame, err := w.caught()
				if err != nil {
					return nil, err
				}
				defer wire.Close()
				// A number that is still to come, and a content that was not signed.
				const sequenceAt = 14 + 20 + 4 // behind Ethernet, IP and the SPI
				frame[sequenceAt+2]++
				return nil, wire.Inject(frame, 5)
			},
		},
		{
			Name: "a second tunnel to the same peer",
			Expect: report.Series{
				"here tunnel.packet.count outbound 7": 12, "here tunnel.packet.count outbound 0": 0,
				"there tunnel.packet.count inbound 7": 12,
			},
			After: report.Series{"here tunnel.sa.count inbound 0": 0, "here tunnel.sa.count inbound 7": 1},
			Run: func(w *World) (report.Series, error) {
				return nil, errors.Join(w.pair(0x2000, 7), lab.Deliver(w.Here, w.There, w.There.Addr, port, 12))
			},
		},
		{
			Name: "AH",
			Expect: report.Series{
				"here tunnel.packet.count inbound 10": 14, "there tunnel.packet.count outbound 10": 14,
				"here tunnel.io inbound 10": 14 * size, "there tunnel.io outbound 10": 14 * size,
				"here tunnel.sa.created inbound 10": 1,
			},
			Run: func(w *World) (report.Series, error) {
				sa := lab.Association(w.There.Addr, w.Here.Addr, lab.AH, 0x2080)
				sa.Reqid, sa.ReplayWindow = 10, 32
				return nil, errors.Join(w.Here.Add(sa), w.There.Add(sa, lab.Policy(w.Here.Addr, port, sa)),
					lab.Deliver(w.There, w.Here, w.Here.Addr, port, 14))
			},
		},
		{
			Name:   "a path that loses packets",
			Expect: report.Series{"here tunnel.packet.count outbound 8": 50, "there tunnel.packet.count inbound 8": 30},
			Run: func(w *World) (report.Series, error) {
				err := errors.Join(w.pair(0x2100, 8), lab.Deliver(w.Here, w.There, w.There.Addr, port, 30))
				if err != nil {
					return nil, err
				}
				return nil, w.lose(func() error { return w.Here.Datagrams(w.There.Addr, port, 20) })
			},
		},
		{
			Name:   "segmented TCP with esp4_offload",
			Expect: report.Series{"here tunnel.sa.created outbound 9": 1},
			Run: func(w *World) (report.Series, error) {
				if err := w.pair(0x2200, 9); err != nil {
					return nil, err
				}
				return w.stream(2<<20, 0x2200)
			},
		},
	}
}

// caught sends one datagram to Here and returns its frame.
func (w *World) caught() (*lab.Wire, []byte, error) {
	return w.There.Catch(unix.IPPROTO_ESP, func() error { return lab.Deliver(w.There, w.Here, w.Here.Addr, port, 1) })
}
