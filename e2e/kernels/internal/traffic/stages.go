// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// Stage is something that is done to tunnels. After it, a Prometheus would see the
// same for some minutes: the host writes what the collectors serve then into a test of
// the rules and of the dashboards.
type Stage struct {
	Name    string
	Minutes int
	Run     func(*Watched) error
}

// Watched is what stages act on: a collector reads Here, VPN and Branch, which is
// VPN's other end, and one reads There.
type Watched struct {
	*World
	VPN, Branch *lab.Side
	// sequence is the SA of ReqidSequence.
	sequence *netlink.XfrmState
}

// The tunnels, by reqid. Those of Here and There are between the same addresses,
// except ReqidSequence, whose peer is not watched.
const (
	// ReqidBusy has traffic in both directions, and its packets are lost, replayed, late
	// and forged.
	ReqidBusy = iota + 1
	// ReqidOverdue has an inbound SA that nearly reaches its limit.
	ReqidOverdue
	// ReqidPileUp has too many SAs, and an interface.
	ReqidPileUp
	// ReqidSequence has an outbound SA that nearly runs out of sequence numbers.
	ReqidSequence
	// ReqidNamed is between VPN and Branch.
	ReqidNamed
)

const (
	// Interface belongs to ReqidPileUp.
	Interface = "ipsec0"
	// Rounds is how often the same traffic is sent.
	Rounds = 12
	// Established is for how many minutes the tunnels have had SAs before it.
	Established = 25 * 60

	// Lost are the packets from Here that each round loses.
	Lost = 110
	// Replayed are the packets that each round sends to Here twice.
	Replayed = 30
	// Late are those that it sends to Here again when they are too old.
	Late = 10
	// Forged are those that it sends to Here with a wrong sequence number.
	Forged = 4

	// SequenceStep is how many sequence numbers of ReqidSequence each round uses up.
	SequenceStep = 100_000_000

	// busy is the SPI of ReqidBusy to Here, and rekeyed that of the SA that follows.
	busy, rekeyed = 0x1000, 0x1002

	overduePort = port + 1
	ifID        = 7
	// piled are the SAs of ReqidPileUp, inbound.
	piled = 11
	// PacketLimit is the hard limit of ReqidOverdue: all rounds together use 96 %.
	PacketLimit = 125
	perRound    = 10
)

// Unwatched is the peer of ReqidSequence.
var Unwatched = net.IPv4(10, 0, 0, 3).To4()

// Stages are all of them.
func Stages() []Stage {
	stages := []Stage{
		{Name: "no tunnels", Minutes: 10, Run: func(*Watched) error { return nil }},
		{Name: "established", Minutes: Established, Run: (*Watched).establish},
	}
	for round := range Rounds {
		stage := Stage{Name: fmt.Sprintf("round %d", round+1), Minutes: 1, Run: func(w *Watched) error { return w.round(round) }}
		if round == Rounds-1 {
			// Until the last of what was refused is out of all windows.
			stage.Minutes = 10
		}
		stages = append(stages, stage)
	}
	return append(stages, Stage{Name: "gone", Minutes: 20, Run: func(w *Watched) error {
		return errors.Join(
			w.Here.Netlink.XfrmStateDel(Manual(w.There, w.Here, rekeyed, ReqidBusy)),
			w.Here.Netlink.XfrmStateDel(Manual(w.Here, w.There, busy+1, ReqidBusy)))
	}})
}

func (w *Watched) establish() error {
	// Larval SAs shall last.
	if err := w.Here.Set("core/xfrm_acq_expires", "3600"); err != nil {
		return err
	}
	link, err := w.Here.Netlink.LinkByName(w.Here.Device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", w.Here.Device, err)
	}
	err = w.Here.Netlink.LinkAdd(&netlink.Xfrmi{
		LinkAttrs: netlink.LinkAttrs{Name: Interface, ParentIndex: link.Attrs().Index}, Ifid: ifID,
	})
	if err != nil {
		return fmt.Errorf("making %s: %w", Interface, err)
	}
	outbound := Manual(w.Here, w.There, 0x3000, ReqidPileUp)
	outbound.Ifid = ifID
	if err := w.Here.Add(outbound); err != nil {
		return err
	}
	for i := range piled {
		inbound := Manual(w.There, w.Here, 0x3000+i, ReqidPileUp)
		inbound.Ifid = ifID
		if err := w.Here.Add(inbound); err != nil {
			return err
		}
	}
	limited := Manual(w.There, w.Here, 0x2000, ReqidOverdue)
	limited.Limits.PacketHard = PacketLimit
	sender := Manual(w.There, w.Here, 0x2000, ReqidOverdue)
	return errors.Join(
		w.pair(busy, ReqidBusy),
		w.Here.Add(limited), w.There.Add(sender, lab.Policy(w.Here.Addr, overduePort, sender)),
		pair(w.Branch, w.VPN, 0x5000, ReqidNamed),
		// An IKE daemon that negotiates begins with this.
		w.Here.Do(func() error {
			_, err := netlink.XfrmStateAllocSpi(&netlink.XfrmState{
				Src: w.There.Addr, Dst: w.Here.Addr, Proto: lab.ESP, Mode: netlink.XFRM_MODE_TRANSPORT,
			})
			return err
		}))
}

func (w *Watched) round(round int) error {
	if round == Rounds/2 {
		if err := w.rekey(); err != nil {
			return err
		}
	}
	if err := w.useSequence(round); err != nil {
		return err
	}
	return errors.Join(w.refused(),
		lab.Deliver(w.Here, w.There, w.There.Addr, port, 200),
		w.lose(func() error { return w.Here.Datagrams(w.There.Addr, port, Lost) }),
		lab.Deliver(w.There, w.Here, w.Here.Addr, overduePort, perRound),
		lab.Deliver(w.VPN, w.Branch, w.Branch.Addr, port, 5),
		lab.Deliver(w.Branch, w.VPN, w.VPN.Addr, port, 3))
}

// rekey replaces the SA to Here of ReqidBusy at both ends. The other direction keeps its
// own, so that the two have different ages.
func (w *Watched) rekey() error {
	return errors.Join(
		w.Here.Add(Manual(w.There, w.Here, rekeyed, ReqidBusy)), w.There.Add(Manual(w.There, w.Here, rekeyed, ReqidBusy)),
		w.Here.Netlink.XfrmStateDel(Manual(w.There, w.Here, busy, ReqidBusy)),
		w.There.Netlink.XfrmStateDel(Manual(w.There, w.Here, busy, ReqidBusy)))
}

// refused sends Here what it must refuse.
func (w *Watched) refused() error {
	wire, old, err := w.caught()
	if err != nil {
		return err
	}
	defer wire.Close()
	if err := lab.Deliver(w.There, w.Here, w.Here.Addr, port, 40); err != nil {
		return err
	}
	if err := wire.Inject(old, Late); err != nil {
		return err
	}
	second, recent, err := w.caught()
	if err != nil {
		return err
	}
	second.Close()
	if err := wire.Inject(recent, Replayed); err != nil {
		return err
	}
	// A number that is still to come, and a content that was not signed.
	const sequenceAt = 14 + 20 + 4 // behind Ethernet, IP and the SPI
	recent[sequenceAt]++
	return wire.Inject(recent, Forged)
}

// useSequence replaces the SA of ReqidSequence by one whose sequence number is higher,
// as a second gateway does that takes over.
func (w *Watched) useSequence(round int) error {
	if w.sequence != nil {
		if err := w.Here.Netlink.XfrmStateDel(w.sequence); err != nil {
			return fmt.Errorf("deleting an association: %w", err)
		}
	}
	w.sequence = lab.Association(w.Here.Addr, Unwatched, lab.ESP, 0x4000+round)
	w.sequence.Reqid = ReqidSequence
	w.sequence.Replay = &netlink.XfrmReplayState{OSeq: uint32(2_400_000_000 + round*SequenceStep)}
	return w.Here.Add(w.sequence)
}
