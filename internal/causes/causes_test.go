// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Only the groups that an event needs are joined, and never ACQUIRE at once.
func TestGroups(t *testing.T) {
	const expire, sa, policy, mapping = 2, 3, 4, 8
	for _, test := range []struct {
		wants Wants
		want  []int
	}{
		{Wants{}, nil},
		{Wants{Acquires: true}, []int{groupOwn, expire}},
		{Wants{Created: true}, []int{sa}},
		{Wants{Deleted: true}, []int{sa}},
		{Wants{Expired: true}, []int{expire}},
		{Wants{Mappings: true}, []int{mapping}},
		{Wants{Policies: true}, []int{expire, policy}},
		{Wants{true, true, true, true, true, true}, []int{groupOwn, expire, sa, policy, mapping}},
	} {
		assert.ElementsMatch(t, test.want, test.wants.groups(), "%+v", test.wants)
	}
}

func TestLimitAndAge(t *testing.T) {
	const now = 1000
	for _, test := range []struct {
		want   string
		sa     xfrmnl.SA
		limits xfrmnl.Limits
	}{
		{"unknown", xfrmnl.SA{}, xfrmnl.Limits{}},
		{"packets", xfrmnl.SA{Figures: xfrmnl.Figures{Packets: 10}}, xfrmnl.Limits{Packets: 10, Bytes: 1}},
		{"bytes", xfrmnl.SA{Figures: xfrmnl.Figures{Bytes: 11, Packets: 9}}, xfrmnl.Limits{Packets: 10, Bytes: 11}},
		{"time", xfrmnl.SA{Added: 970}, xfrmnl.Limits{SinceAdded: 30}},
		{"unknown", xfrmnl.SA{Added: 971}, xfrmnl.Limits{SinceAdded: 30}},
		{"use_time", xfrmnl.SA{Added: 900, FirstUsed: 990}, xfrmnl.Limits{SinceUsed: 10}},
		{"unknown", xfrmnl.SA{Added: 900}, xfrmnl.Limits{SinceUsed: 10}},
		{"unknown", xfrmnl.SA{Added: now + 1}, xfrmnl.Limits{SinceAdded: 30}},
	} {
		hard, soft := Association{SA: test.sa}, Association{SA: test.sa}
		hard.Limits, soft.SoftLimits = test.limits, test.limits
		assert.Equal(t, test.want, hard.Limit(true, now), "%+v", test)
		assert.Equal(t, test.want, soft.Limit(false, now), "%+v", test)
		assert.Equal(t, "unknown", hard.Limit(false, now))
	}
	one := Association{SA: xfrmnl.SA{Added: 990}}
	assert.EqualValues(t, 10, one.Age(now))
	assert.Zero(t, one.Age(900), "the clock was set back")
}

func TestNeverWasComplete(t *testing.T) {
	byKernel := xfrmnl.Limits{SinceAdded: 30}
	used := xfrmnl.Figures{Packets: 1}
	spi := xfrmnl.ID{SPI: 1}
	for name, test := range map[string]struct {
		want bool
		sa   xfrmnl.SA
	}{
		"of an acquire":                 {true, xfrmnl.SA{ReqID: 7, Limits: byKernel}},
		"an SPI of strongSwan":          {true, xfrmnl.SA{ID: spi, Limits: byKernel}},
		"with another sysctl":           {true, xfrmnl.SA{ID: spi, Limits: xfrmnl.Limits{SinceAdded: 165}}},
		"an SPI of libreswan":           {true, xfrmnl.SA{ID: spi, ReqID: 16389, Limits: byKernel}},
		"used":                          {false, xfrmnl.SA{ID: spi, Figures: used, Limits: byKernel}},
		"another limit":                 {false, xfrmnl.SA{ID: spi, ReqID: 7, Limits: xfrmnl.Limits{SinceAdded: 3600}}},
		"a soft limit":                  {false, xfrmnl.SA{ID: spi, Limits: byKernel, SoftLimits: byKernel}},
		"a limit of packets":            {false, xfrmnl.SA{ID: spi, Limits: xfrmnl.Limits{SinceAdded: 30, Packets: 1}}},
		"manual, since its first usage": {false, xfrmnl.SA{ID: spi, Limits: xfrmnl.Limits{SinceAdded: 30, SinceUsed: 1}}},
	} {
		assert.Equal(t, test.want, neverWasComplete(&test.sa), name)
	}
}

// host has one address and one interface.
type host struct{ asked int }

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("198.51.100.2")
)

func (*host) IsLocal(address netip.Addr) bool { return address == here }

func (h *host) InterfaceOf(tunnel.Key) string {
	h.asked++
	return "ipsec0"
}

// The message has packets without sequence numbers, in both directions.
func TestTheDirectionOfAnExpiredAssociation(t *testing.T) {
	sa := func(from, to netip.Addr) *xfrmnl.SA {
		return &xfrmnl.SA{
			ID: xfrmnl.ID{Destination: to, SPI: 1, Protocol: xfrmnl.ProtocolESP}, Source: from,
			Figures: xfrmnl.Figures{Packets: 5, Bytes: 6},
		}
	}
	elsewhere := netip.MustParseAddr("203.0.113.1")
	told := sa(there, elsewhere)
	told.Direction = xfrmnl.DirectionIn
	for _, test := range []struct {
		sa          *xfrmnl.SA
		want        tunnel.Direction
		local, peer netip.Addr
	}{
		{sa(there, here), tunnel.Inbound, here, there},
		{sa(here, there), tunnel.Outbound, here, there},
		{sa(here, here), tunnel.Unknown, here, here},
		{sa(there, elsewhere), tunnel.Unknown, there, elsewhere},
		{told, tunnel.Inbound, elsewhere, there},
	} {
		one := newExpired(test.sa, &host{})
		assert.Equal(t, test.want, one.Direction)
		assert.Equal(t, test.local, one.Tunnel.Local)
		assert.Equal(t, test.peer, one.Tunnel.Peer)
		assert.EqualValues(t, 5, one.Packets)
		assert.EqualValues(t, 6, one.Bytes)
		assert.EqualValues(t, 5, test.sa.Packets)
	}
}

func TestTheInterfaceIsAskedForOnlyWhereThereCanBeOne(t *testing.T) {
	h := &host{}
	assert.Empty(t, newAssociation(&xfrmnl.SA{}, h).Interface)
	assert.Zero(t, h.asked)
	assert.Equal(t, "ipsec0", newAssociation(&xfrmnl.SA{IfID: 1}, h).Interface)
	assert.Equal(t, "ipsec0", newAssociation(&xfrmnl.SA{ID: xfrmnl.ID{Mark: 1}}, h).Interface)
}

func TestAcquires(t *testing.T) {
	a := make(acquires)
	for i := range uint32(maxAcquires + 5) {
		a.add(xfrmnl.Acquire{Sequence: i + 1})
	}
	require.Len(t, a, maxAcquires)
	expire := func(sequence, spi uint32) bool {
		one, ok := a.expire(&xfrmnl.SA{Acquire: sequence, ID: xfrmnl.ID{SPI: spi}})
		if ok {
			assert.Equal(t, sequence, one.Sequence)
		}
		return ok
	}
	assert.False(t, expire(5, 0), "a later one has its place")
	assert.False(t, expire(6, 7), "an association that got an SPI is another")
	assert.True(t, expire(6, 0))
	assert.False(t, expire(6, 0), "once")
	assert.True(t, expire(maxAcquires+5, 0))
	assert.False(t, expire(maxAcquires+6, 0))
	assert.Len(t, a, maxAcquires-2)
}

func TestMappings(t *testing.T) {
	m := make(mappings)
	one := func(spi uint32, port uint16) (changed bool, old uint16) {
		mapping := xfrmnl.Mapping{
			ID:  xfrmnl.ID{Destination: here, SPI: spi},
			Old: netip.AddrPortFrom(there, 4500), New: netip.AddrPortFrom(there, port),
		}
		changed = m.changed(&mapping)
		return changed, mapping.Old.Port()
	}
	for _, step := range []struct {
		spi     uint32
		port    uint16
		changed bool
		old     uint16
	}{
		{1, 1000, true, 4500},
		{1, 1000, false, 4500}, // the kernel says so for each packet
		{2, 1000, true, 4500},
		{1, 1001, true, 1000},
		{1, 1001, false, 4500},
		{1, 1000, true, 1001},
	} {
		changed, old := one(step.spi, step.port)
		assert.Equal(t, step.changed, changed, "%+v", step)
		assert.Equal(t, step.old, old, "%+v", step)
	}
	for spi := range uint32(3 * maxMappings) {
		one(spi, 1)
		require.LessOrEqual(t, len(m), maxMappings)
	}
	changed, _ := one(3*maxMappings-1, 1)
	assert.False(t, changed, "the last are remembered")
}

// What Linux 6.18 prints, with a socket of charon in the last line.
const table = `sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
00000000cd0051c2 0   0          00000001 0        0        0     2        0        4520947 
00000000cd0051c3 16  77         000000c3 0        0        0     2        0        4520948 
000000006680abdc 6   0          00000000 0        0        0     2        0        4520955 
0000000079f06b14 6   16459      80000003 0        0        0     2        0        4520960 
00000000c6fc5f29 6   4294963151 000000c2 0        0        0     2        0        4520949 
00000000c33aeefd 6   1201       000000c3 0        0        0     2        0        4520951 
`

func TestHasOtherMember(t *testing.T) {
	withoutCharon := table[:len(table)-len("00000000c33aeefd 6   1201       000000c3 0        0        0     2        0        4520951 \n")]
	for name, test := range map[string]struct {
		want  bool
		table string
	}{
		"charon":                 {true, table},
		"cut after its groups":   {true, table[:len(table)-50]},
		"own and other ones":     {false, withoutCharon},
		"empty":                  {false, ""},
		"the heading":            {false, "sk Eth Pid Groups\n"},
		"too few columns":        {false, "00 6 1201\n"},
		"groups are no number":   {false, "00 6 1201 xyz 0\n"},
		"other groups":           {false, "00 6 1201 fffffffe 0\n"},
		"another protocol":       {false, "00 60 1201 00000001 0\n"},
		"no newline":             {true, "00 6 1201 00000001"},
		"all groups but our own": {true, "00 6 1201 7fffffff 0\n"},
		"all groups":             {false, "00 6 1201 ffffffff 0\n"},
	} {
		assert.Equal(t, test.want, hasOtherMember([]byte(test.table)), name)
	}
}

func FuzzHasOtherMember(f *testing.F) {
	f.Add([]byte(table))
	f.Add([]byte("00 6 1201 00000001"))
	f.Fuzz(func(t *testing.T, table []byte) {
		own := append([]byte("00 6 1 80000001 0\n"), table...)
		assert.Equal(t, hasOtherMember(table), hasOtherMember(own), "an own socket more changes nothing")
		other := append([]byte("00 6 1 00000001 0\n"), table...)
		assert.True(t, hasOtherMember(other))
	})
}
