// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
	moved = netip.MustParseAddr("192.0.2.3")
	begin = time.Unix(1_000_000, 0)
)

// kernel is a namespace whose associations an Accumulator follows.
type kernel struct {
	t     *testing.T
	a     *Accumulator
	now   time.Time
	sas   map[xfrmnl.ID]*xfrmnl.SA
	local map[netip.Addr]bool
	// events says that they are listened to.
	events bool
	asked  int
}

func newKernel(t *testing.T, options Options) *kernel {
	t.Helper()
	return &kernel{
		t: t, a: New(options), now: begin, sas: map[xfrmnl.ID]*xfrmnl.SA{},
		local: map[netip.Addr]bool{here: true, moved: true},
	}
}

func (k *kernel) IsLocal(address netip.Addr) bool { k.asked++; return k.local[address] }

func (k *kernel) InterfaceOf(key Key) string {
	k.asked++
	switch {
	case key.IfID == 42:
		return "ipsec0"
	case key.Mark == 1:
		return "vti0"
	default:
		return ""
	}
}

// in is an inbound association.
func in(spi uint32) *xfrmnl.SA {
	return &xfrmnl.SA{
		ID:     xfrmnl.ID{Destination: here, SPI: spi, Protocol: xfrmnl.ProtocolESP},
		Source: there, ReqID: 1, Added: uint64(begin.Unix()),
	}
}

// out is an outbound one.
func out(spi uint32) *xfrmnl.SA {
	sa := in(spi)
	sa.Source, sa.Destination = here, there
	return sa
}

// receive counts packets of 100 bytes.
func receive(sa *xfrmnl.SA, packets uint64) {
	sa.Packets += packets
	sa.Bytes += 100 * packets
	sa.InSequence += packets
}

func send(sa *xfrmnl.SA, packets uint64) {
	sa.Packets += packets
	sa.Bytes += 100 * packets
	sa.OutSequence += packets
}

// add adds an association, with its event.
func (k *kernel) add(sa *xfrmnl.SA) *xfrmnl.SA {
	k.sas[sa.ID] = sa
	if k.events {
		k.a.Added(sa, k)
	}
	return sa
}

func (k *kernel) delete(sa *xfrmnl.SA) {
	delete(k.sas, sa.ID)
	if k.events {
		k.a.Deleted(sa, k, k.now)
	}
}

// dump dumps ten seconds later.
func (k *kernel) dump() {
	k.now = k.now.Add(10 * time.Second)
	k.a.BeginDump(k.now, k, k.events)
	for _, sa := range k.sas {
		k.a.Row(sa)
	}
	k.a.EndDump(k.now.Add(time.Millisecond))
}

func (k *kernel) tunnels() []Tunnel {
	var all []Tunnel
	k.a.Each(k.now, func(t *Tunnel) {
		one := *t
		for d, traffic := range t.Traffic {
			if traffic != nil {
				own := *traffic
				own.newest = nil
				one.Traffic[d] = &own
			}
		}
		all = append(all, one)
	})
	return all
}

// tunnel returns the only tunnel.
func (k *kernel) tunnel() Tunnel {
	k.t.Helper()
	all := k.tunnels()
	require.Len(k.t, all, 1)
	return all[0]
}

// both are the packets, in and out, -1 for a direction that there never was.
func (k *kernel) both() [2]int64 {
	k.t.Helper()
	got := [2]int64{-1, -1}
	one := k.tunnel()
	for i, traffic := range one.Traffic[Inbound:] {
		if traffic != nil {
			assert.Equal(k.t, traffic.Packets*100, traffic.Bytes)
			got[i] = traffic.Packets
		}
	}
	return got
}

// What was counted before anyone looked does not count.
func TestSumsBeginAtZero(t *testing.T) {
	k := newKernel(t, Options{})
	sa := k.add(in(1))
	receive(sa, 1000)
	sa.Replay, sa.ReplayWindow, sa.IntegrityFailed = 1, 2, 3
	k.dump()
	assert.Equal(t, [2]int64{0, -1}, k.both())
	assert.Equal(t, k.now, k.tunnel().Start)
	assert.Zero(t, k.tunnel().Traffic[Inbound].Created)
	assert.Zero(t, k.tunnel().Replay+k.tunnel().ReplayWindow+k.tunnel().IntegrityFailed)
	receive(sa, 5)
	sa.Replay, sa.ReplayWindow, sa.IntegrityFailed = 11, 22, 33
	k.dump()
	assert.Equal(t, [2]int64{5, -1}, k.both())
	assert.EqualValues(t, 10, k.tunnel().Replay)
	assert.EqualValues(t, 20, k.tunnel().ReplayWindow)
	assert.EqualValues(t, 30, k.tunnel().IntegrityFailed)
}

// What appears later has counted since the scrape before.
func TestLaterTunnelCountsInFull(t *testing.T) {
	for _, events := range []bool{false, true} {
		k := newKernel(t, Options{})
		k.events = events
		k.dump()
		start := k.now
		send(k.add(out(1)), 7)
		k.dump()
		assert.Equal(t, [2]int64{-1, 7}, k.both())
		assert.Equal(t, start, k.tunnel().Start)
		assert.EqualValues(t, 1, k.tunnel().Traffic[Outbound].Created)
		k.dump()
		assert.Equal(t, start, k.tunnel().Start)
	}
}

func TestRekey(t *testing.T) {
	for _, events := range []bool{false, true} {
		k := newKernel(t, Options{})
		k.events = events
		k.dump()
		oldIn, oldOut := k.add(in(1)), k.add(out(2))
		receive(oldIn, 10)
		send(oldOut, 20)
		k.dump()
		newIn, newOut := k.add(in(3)), k.add(out(4))
		receive(newIn, 5)
		send(newOut, 6)
		receive(oldIn, 1)
		k.delete(oldOut)
		k.dump()
		assert.Equal(t, [2]int64{16, 26}, k.both())
		assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Associations)
		assert.EqualValues(t, 1, k.tunnel().Traffic[Outbound].Associations)
		receive(oldIn, 1)
		k.delete(oldIn)
		k.dump()
		want := [2]int64{16, 26} // the last packet was seen by nobody
		if events {
			want = [2]int64{17, 26}
		}
		assert.Equal(t, want, k.both())
		assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Created)
	}
}

// Each part of the key tells tunnels apart.
func TestKey(t *testing.T) {
	for name, change := range map[string]func(*xfrmnl.SA){
		"protocol": func(sa *xfrmnl.SA) { sa.Protocol = xfrmnl.ProtocolAH },
		"mode":     func(sa *xfrmnl.SA) { sa.Mode = 1 },
		"local":    func(sa *xfrmnl.SA) { sa.Destination = moved },
		"peer":     func(sa *xfrmnl.SA) { sa.Source = netip.MustParseAddr("2001:db8::1") },
		"reqid":    func(sa *xfrmnl.SA) { sa.ReqID = 2 },
		"if_id":    func(sa *xfrmnl.SA) { sa.IfID = 42 },
		"mark":     func(sa *xfrmnl.SA) { sa.Mark = 1 },
		"mask":     func(sa *xfrmnl.SA) { sa.MarkMask = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.dump()
			other := in(2)
			change(other)
			receive(k.add(in(1)), 1)
			receive(k.add(other), 1)
			k.dump()
			all := k.tunnels()
			require.Len(t, all, 2)
			for _, one := range all {
				assert.EqualValues(t, 1, one.Traffic[Inbound].Packets)
				assert.Equal(t, one.IfID == 42, one.Interface == "ipsec0")
				assert.Equal(t, one.Mark == 1, one.Interface == "vti0")
			}
		})
	}
}

// No tunnel are larval associations and those of other protocols.
func TestNoTunnel(t *testing.T) {
	for name, change := range map[string]func(*xfrmnl.SA){
		"larval":   func(sa *xfrmnl.SA) { sa.Larval = true },
		"IP in IP": func(sa *xfrmnl.SA) { sa.Protocol = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.events = true
			sa := in(1)
			change(sa)
			k.add(sa)
			k.dump()
			k.add(sa)
			k.a.Updated(sa, k)
			k.delete(sa)
			k.dump()
			assert.Empty(t, k.tunnels())
		})
	}
}

// The daemon allocates an SPI, and completes the association later.
func TestLarvalBecomesComplete(t *testing.T) {
	for _, events := range []bool{false, true} {
		k := newKernel(t, Options{})
		k.events = events
		sa := in(1)
		sa.Larval, sa.ReqID = true, 0
		k.sas[sa.ID] = sa
		k.dump()
		sa.Larval, sa.ReqID = false, 1
		if events {
			k.a.Updated(sa, k)
		}
		receive(sa, 4)
		k.dump()
		assert.Equal(t, [2]int64{4, -1}, k.both())
		assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Created)
	}
}

// An update in place shows zeros in its event.
func TestUpdateInPlace(t *testing.T) {
	k := newKernel(t, Options{})
	k.events = true
	k.dump()
	sa := k.add(in(1))
	receive(sa, 5)
	k.dump()
	k.a.Updated(in(1), k)
	receive(sa, 6)
	k.dump()
	assert.Equal(t, [2]int64{11, -1}, k.both())
	assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Created)
}

// Before the first dump is complete an update tells nothing: the association can
// have counted for years.
func TestUpdateDuringTheFirstDump(t *testing.T) {
	k := newKernel(t, Options{})
	k.events = true
	sa := in(1)
	receive(sa, 1000)
	k.sas[sa.ID] = sa
	k.a.BeginDump(k.now, k, true)
	k.a.Updated(in(1), k)
	k.a.Row(sa)
	k.a.EndDump(k.now)
	receive(sa, 1)
	k.dump()
	assert.Equal(t, [2]int64{1, -1}, k.both())
}

// MOBIKE: the association is deleted and added under another address, with its
// counters.
func TestMove(t *testing.T) {
	for _, events := range []bool{false, true} {
		for _, counted := range []uint64{0, 20} {
			k := newKernel(t, Options{})
			k.events = events
			k.dump()
			sa := k.add(out(1))
			send(sa, counted)
			k.dump()
			k.delete(sa)
			other := *sa
			other.Source = moved
			k.add(&other)
			send(&other, 10)
			k.dump()
			var packets, created, living int64
			for _, one := range k.tunnels() {
				packets += one.Traffic[Outbound].Packets
				created += one.Traffic[Outbound].Created
				living += one.Traffic[Outbound].Associations
			}
			assert.EqualValues(t, counted+10, packets)
			assert.EqualValues(t, 1, created)
			assert.EqualValues(t, 1, living)
		}
	}
}

// XFRM_MSG_MIGRATE moves associations without an event that is listened to.
func TestMigrate(t *testing.T) {
	k := newKernel(t, Options{})
	k.events = true
	k.dump()
	sa := k.add(out(1))
	send(sa, 20)
	k.dump()
	delete(k.sas, sa.ID)
	other := *sa
	other.Source = moved
	send(&other, 10)
	k.sas[other.ID] = &other
	// With the same destination it is the same association.
	k.dump()
	k.dump()
	assert.EqualValues(t, 30, k.sum())

	target := other
	target.Destination = netip.MustParseAddr("192.0.2.9")
	send(&target, 5)
	delete(k.sas, other.ID)
	k.sas[target.ID] = &target
	k.dump()
	assert.EqualValues(t, 35, k.sum())
	living := int64(0)
	for _, one := range k.tunnels() {
		living += one.Traffic[Outbound].Associations
	}
	assert.EqualValues(t, 1, living)
}

// sum is that of all packets.
func (k *kernel) sum() (packets int64) {
	for _, one := range k.tunnels() {
		for _, traffic := range one.Traffic {
			if traffic != nil {
				packets += traffic.Packets
			}
		}
	}
	return packets
}

// One that moves while a dump is under way is in neither place.
func TestMoveDuringADump(t *testing.T) {
	k := newKernel(t, Options{})
	k.dump()
	sa := k.add(out(1))
	send(sa, 20)
	k.dump()
	delete(k.sas, sa.ID)
	k.dump()
	sa.Destination = netip.MustParseAddr("192.0.2.9")
	send(sa, 3)
	k.sas[sa.ID] = sa
	k.dump()
	assert.EqualValues(t, 23, k.sum())
}

// Only an association that has a reqid, and keeps the time when it was added, has
// moved.
func TestNotMoved(t *testing.T) {
	for name, change := range map[string]func(before, after *xfrmnl.SA){
		"no reqid": func(before, after *xfrmnl.SA) {
			before.ReqID, after.ReqID = 0, 0
			after.Destination = netip.MustParseAddr("192.0.2.9")
		},
		"later":      func(_, after *xfrmnl.SA) { after.Added++ },
		"other SPI":  func(_, after *xfrmnl.SA) { after.SPI++ },
		"long after": func(_, _ *xfrmnl.SA) {},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.dump()
			before, after := out(1), out(1)
			after.Source = moved
			change(before, after)
			send(k.add(before), 3)
			k.dump()
			k.delete(before)
			if name == "long after" {
				k.dump()
				k.dump()
			}
			send(k.add(after), 4)
			k.dump()
			assert.EqualValues(t, 7, k.sum())
		})
	}
}

// A key that is set again begins at zero.
func TestDeletedAndAddedAgain(t *testing.T) {
	for _, events := range []bool{false, true} {
		for name, packets := range map[string]uint64{"fewer packets": 3, "as many packets": 10} {
			t.Run(name, func(t *testing.T) {
				k := newKernel(t, Options{})
				k.events = events
				k.dump()
				sa := k.add(in(1))
				sa.FirstUsed = 1
				receive(sa, 10)
				k.dump()
				k.delete(sa)
				again := in(1)
				again.FirstUsed, again.Added = 2, again.Added+1
				k.add(again)
				receive(again, packets)
				k.dump()
				assert.Equal(t, [2]int64{int64(10 + packets), -1}, k.both())
				assert.EqualValues(t, 2, k.tunnel().Traffic[Inbound].Created)
				assert.EqualValues(t, 1, k.tunnel().Traffic[Inbound].Associations)
			})
		}
	}
}
