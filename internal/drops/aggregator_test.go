// SPDX-License-Identifier: Apache-2.0

package drops

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

var (
	local  = netip.MustParseAddr("192.0.2.1")
	peer   = netip.MustParseAddr("192.0.2.2")
	begin  = time.UnixMilli(1795578981763)
	noSAOf = Kind{Direction: xfrmstat.Inbound, Reason: "no_states", Local: local, Peer: peer, SPI: 4096, HasSPI: true}
)

// at is a time in seconds.
func at(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }

// inbound is a packet from a peer.
func inbound(from netip.Addr, second int, sequence uint32) audit.Drop {
	return audit.Drop{
		Time: at(second), Direction: xfrmstat.Inbound, Reason: "no_states",
		Source: from, Destination: local,
		SPI: 4096, HasSPI: true, Sequence: sequence, HasSequence: true,
	}
}

// forged is the i-th of many peers.
func forged(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x0a000000+uint32(i))))
}

func TestFirstLeavesAtOnce(t *testing.T) {
	a := New(100)
	first, isFirst := a.Add(inbound(peer, 1, 7))
	require.True(t, isFirst)
	assert.Equal(t, Record{
		Kind: noSAOf, Count: 1, Last: at(1),
		FirstSequence: 7, LastSequence: 7, HasSequence: true,
	}, first)
	// It does not leave again.
	assert.Empty(t, a.EndInterval())
}

func TestFollowersLeaveTogether(t *testing.T) {
	a := New(100)
	a.Add(inbound(peer, 1, 7))
	for i := range 3 {
		r, isFirst := a.Add(inbound(peer, 2+i, 8+uint32(i)))
		assert.False(t, isFirst)
		assert.Zero(t, r)
	}
	assert.Equal(t, []Record{{
		Kind: noSAOf, Count: 3, Last: at(4),
		FirstSequence: 8, LastSequence: 10, HasSequence: true,
	}}, a.EndInterval())

	// The next interval begins at zero, and the kind is still known.
	_, isFirst := a.Add(inbound(peer, 11, 20))
	assert.False(t, isFirst)
	assert.Equal(t, []Record{{
		Kind: noSAOf, Count: 1, Last: at(11),
		FirstSequence: 20, LastSequence: 20, HasSequence: true,
	}}, a.EndInterval())
}

func TestKindIsForgottenAfterAnIntervalWithout(t *testing.T) {
	a := New(100)
	a.Add(inbound(peer, 1, 7))
	assert.Empty(t, a.EndInterval())
	assert.Empty(t, a.EndInterval())
	_, isFirst := a.Add(inbound(peer, 21, 8))
	assert.True(t, isFirst)
}

func TestKinds(t *testing.T) {
	outbound := audit.Drop{
		Direction: xfrmstat.Outbound, Reason: "state_seq_error",
		Source: local, Destination: peer, SPI: 4096, HasSPI: true,
	}
	one := inbound(peer, 1, 7)
	reason, other, destination, spi, noSPI := one, one, one, one, one
	reason.Reason = "state_proto_error"
	other.Source = forged(1)
	destination.Destination = forged(2)
	spi.SPI = 4097
	noSPI.SPI, noSPI.HasSPI = 0, false
	zeroSPI := noSPI
	zeroSPI.HasSPI = true

	a := New(100)
	for _, d := range []audit.Drop{one, outbound, reason, other, destination, spi, noSPI, zeroSPI} {
		r, isFirst := a.Add(d)
		assert.True(t, isFirst)
		if d.Direction == xfrmstat.Inbound {
			assert.Equal(t, []netip.Addr{d.Destination, d.Source}, []netip.Addr{r.Local, r.Peer})
		} else {
			assert.Equal(t, []netip.Addr{local, peer}, []netip.Addr{r.Local, r.Peer})
			assert.False(t, r.HasSequence)
		}
	}
	// Another sequence number or time makes no other kind.
	_, isFirst := a.Add(inbound(peer, 2, 8))
	assert.False(t, isFirst)
}

// Packets without sequence number do not take part in first and last.
func TestSequence(t *testing.T) {
	a := New(100)
	without := inbound(peer, 1, 0)
	without.HasSequence = false
	a.Add(without)
	a.Add(without)
	a.Add(inbound(peer, 2, 7))
	a.Add(inbound(peer, 3, 5))
	a.Add(without)
	assert.Equal(t, []Record{{
		Kind: noSAOf, Count: 4, Last: at(1),
		FirstSequence: 7, LastSequence: 5, HasSequence: true,
	}}, a.EndInterval())
}

func TestLimit(t *testing.T) {
	const limit = 3
	a := New(limit)
	for i := range limit {
		_, isFirst := a.Add(inbound(forged(i), 1, 7))
		assert.True(t, isFirst)
	}
	// Two packets of one kind and one of another, beyond the limit.
	for second, i := range []int{limit, limit, limit + 1} {
		_, isFirst := a.Add(inbound(forged(i), 2+second, 7))
		assert.False(t, isFirst)
	}
	// Each reason has a record of its own.
	integrity := inbound(forged(limit), 5, 7)
	integrity.Reason = "state_proto_error"
	a.Add(integrity)
	// What is known is still counted by itself.
	a.Add(inbound(forged(0), 6, 8))

	known := noSAOf
	known.Peer = forged(0)
	want := []Record{
		{Kind: known, Count: 1, Last: at(6), FirstSequence: 8, LastSequence: 8, HasSequence: true},
		{
			Kind:  Kind{Direction: xfrmstat.Inbound, Reason: "no_states"},
			Count: 3, Last: at(4), Overflow: true, Peers: 2,
		},
		{
			Kind:  Kind{Direction: xfrmstat.Inbound, Reason: "state_proto_error"},
			Count: 1, Last: at(5), Overflow: true, Peers: 1,
		},
	}
	assert.ElementsMatch(t, want, a.EndInterval())

	// The next interval has room for other kinds, although it remembers these.
	for i := range limit {
		_, isFirst := a.Add(inbound(forged(100+i), 11, 7))
		assert.True(t, isFirst)
	}
	// One that it remembers is beyond the limit, too.
	_, isFirst := a.Add(inbound(forged(0), 12, 9))
	assert.False(t, isFirst)
	assert.Equal(t, []Record{{
		Kind:  Kind{Direction: xfrmstat.Inbound, Reason: "no_states"},
		Count: 1, Last: at(12), Overflow: true, Peers: 1,
	}}, a.EndInterval())
	assert.Len(t, a.kinds, limit)
}

func TestMaxPeers(t *testing.T) {
	for _, peers := range []int{MaxPeers - 1, MaxPeers, MaxPeers + 1} {
		a := New(0)
		for i := range peers {
			a.Add(inbound(forged(i), 1, 7))
		}
		a.Add(inbound(forged(0), 1, 7)) // it is known
		records := a.EndInterval()
		require.Len(t, records, 1)
		assert.EqualValues(t, peers+1, records[0].Count)
		assert.Equal(t, min(peers, MaxPeers), records[0].Peers)
	}
}

// A flood of forged sources and SPIs, in all reasons, beside a real peer: every
// packet is counted once, and neither records nor memory grow with the flood.
func TestFlood(t *testing.T) {
	const (
		packets   = 1_000_000
		intervals = 10
		limit     = 100
		reasons   = 4
	)
	random := rand.New(rand.NewPCG(1, 2))
	drops := []audit.Drop{
		{Direction: xfrmstat.Inbound, Reason: "no_states"},
		{Direction: xfrmstat.Inbound, Reason: "state_proto_error"},
		{Direction: xfrmstat.Inbound, Reason: "state_seq_error"},
		{Direction: xfrmstat.Outbound, Reason: "state_seq_error"},
	}
	require.Len(t, drops, reasons)
	a := New(limit)
	sums := make(map[Kind]uint64)
	leaves := func(r *Record) { sums[Kind{Direction: r.Direction, Reason: r.Reason}] += r.Count }
	memory := heap()
	var most, records int
	for range intervals {
		records = 0
		for i := range packets / intervals {
			d := drops[i%reasons]
			d.Time, d.Source, d.Destination = at(i), forged(random.IntN(1<<24)), forged(random.IntN(1<<24))
			d.SPI, d.HasSPI = random.Uint32(), true
			if r, isFirst := a.Add(d); isFirst {
				records++
				leaves(&r)
			}
		}
		assert.LessOrEqual(t, len(a.kinds), 2*limit)
		most = max(most, heap()-memory)
		for _, r := range a.EndInterval() {
			records++
			leaves(&r)
			if r.Overflow {
				assert.Equal(t, MaxPeers, r.Peers)
			}
		}
		assert.LessOrEqual(t, records, 2*limit+reasons)
	}
	t.Logf("%d records in the last interval, %d KiB at most", records, most>>10)
	assert.Len(t, sums, reasons)
	for kind, sum := range sums {
		assert.EqualValues(t, packets/reasons, sum, "%v", kind)
	}
	assert.Less(t, most, 8<<20)
	for range 2 {
		a.EndInterval()
	}
	assert.Empty(t, a.kinds)
	assert.Empty(t, a.overflows)
}

// heap returns how many bytes are in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func BenchmarkAdd(b *testing.B) {
	for _, bench := range []struct {
		name  string
		peers int
	}{{"one peer", 1}, {"forged sources", 1 << 24}} {
		b.Run(bench.name, func(b *testing.B) {
			a := New(100)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				a.Add(inbound(forged(i%bench.peers), 1, uint32(i)))
				if i%100_000 == 0 {
					a.EndInterval()
				}
			}
		})
	}
}
