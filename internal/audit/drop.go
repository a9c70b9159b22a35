// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/netip"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// Drop is a packet that IPsec dropped.
type Drop struct {
	// Time is when the kernel wrote the record, in milliseconds.
	Time time.Time
	// Direction and Reason are those of the counter that counted the packet.
	Direction xfrmstat.Direction
	Reason    string
	// Source and Destination are those of the packet, with IPsec's own header if
	// it has one.
	Source, Destination netip.Addr
	// SPI is valid if HasSPI is set. IPv6 extension headers (Mobile IPv6) have
	// none.
	SPI    uint32
	HasSPI bool
	// Sequence is valid if HasSequence is set. Of an extended sequence number it
	// is the lower half.
	Sequence    uint32
	HasSequence bool
}

// counters are the counters that the kernel increments where it writes a record, by
// the record's op. Where both happen, in Linux 6.12:
//
//   - SA-notfound: xfrm_input, xfrm6_input_addr. xfrm_input writes it also beside
//     XfrmInStateDirError (6.10 and later, where a daemon sets the direction of
//     associations); the record does not tell the two apart.
//   - SA-icv-failure: xfrm_input
//   - SA-replayed-pkt: xfrm_replay_check and xfrm_replay_recheck, called by
//     xfrm_input
//   - SA-replay-overflow: xfrm_replay_overflow, called by xfrm_output_one
//
// The other ops (SAD-add, SAD-delete, SPD-add, SPD-delete) are no drops.
var counters = map[string]xfrmstat.Name{
	"SA-notfound":        xfrmstat.ParseName("XfrmInNoStates"),
	"SA-icv-failure":     xfrmstat.ParseName("XfrmInStateProtoError"),
	"SA-replayed-pkt":    xfrmstat.ParseName("XfrmInStateSeqError"),
	"SA-replay-overflow": xfrmstat.ParseName("XfrmOutStateSeqError"),
}
