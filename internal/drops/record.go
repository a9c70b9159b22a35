// SPDX-License-Identifier: Apache-2.0

package drops

import (
	"net/netip"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// Kind is what dropped packets of one record have in common.
type Kind struct {
	// Direction and Reason are those of the counter that counted the packets.
	Direction xfrmstat.Direction
	Reason    string
	// Local and Peer are the addresses of the packets.
	Local, Peer netip.Addr
	// SPI is valid if HasSPI is set.
	SPI    uint32
	HasSPI bool
}

func kindOf(d *audit.Drop) Kind {
	k := Kind{
		Direction: d.Direction, Reason: d.Reason,
		Local: d.Destination, Peer: d.Source,
		SPI: d.SPI, HasSPI: d.HasSPI,
	}
	if d.Direction == xfrmstat.Outbound {
		k.Local, k.Peer = k.Peer, k.Local
	}
	return k
}

// Record stands for one or more dropped packets.
type Record struct {
	// Kind has only a direction and a reason if Overflow is set.
	Kind
	// Count is the number of packets, at least 1.
	Count uint64
	// Last is when the kernel recorded the last packet.
	Last time.Time
	// FirstSequence and LastSequence are the sequence numbers of the first and the
	// last packet that had one. They are valid if HasSequence is set.
	FirstSequence, LastSequence uint32
	HasSequence                 bool

	// Overflow says that the record stands for all kinds beyond the limit.
	Overflow bool
	// Peers is how many peers sent or should have received these packets, at most
	// MaxPeers. It is valid if Overflow is set.
	Peers int
}

// add counts one packet.
func (r *Record) add(d *audit.Drop) {
	r.Count++
	r.Last = d.Time
	// The numbers of different associations say nothing together.
	if !d.HasSequence || r.Overflow {
		return
	}
	if !r.HasSequence {
		r.FirstSequence, r.HasSequence = d.Sequence, true
	}
	r.LastSequence = d.Sequence
}
