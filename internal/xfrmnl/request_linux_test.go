// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
)

func newConn(tb testing.TB) *netlink.Conn {
	tb.Helper()
	c, err := netlink.NewListener(netlinktest.Socket(tb, unix.NETLINK_XFRM), netlink.NewBuffer())
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAssociationsAndPoliciesAreCounted(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	associations, policies, err := Counts(context.Background(), c)
	require.NoError(t, err)
	require.Zero(t, associations)
	require.Zero(t, policies)

	netlinktest.AddLarval(t, 3)
	for direction, count := range map[string]int{"in": 1, "out": 2, "fwd": 3} {
		for i := range count {
			netlinktest.MustIP(t, "xfrm policy add src 10.0."+string(rune('0'+i))+".0/24 dst 10.1.0.0/24 dir "+direction+" action block")
		}
	}
	// A policy of a socket: a bypass, as IKE daemons have it on theirs.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	socketPolicy := make([]byte, sizePolicyInfo)
	socketPolicy[40] = unix.AF_INET
	require.NoError(t, unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_XFRM_POLICY, string(socketPolicy)))

	associations, policies, err = Counts(context.Background(), c)
	require.NoError(t, err)
	require.EqualValues(t, 3, associations)
	require.Equal(t, PolicyCounts{In: 1, Out: 2, Forward: 3, SocketIn: 1}, policies)
}

func TestLarvalAssociationsAreDumped(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 3)
	seen := map[uint32]SA{}
	require.NoError(t, DumpSAs(context.Background(), newConn(t), func(sa *SA) { seen[sa.SPI] = *sa }))
	require.Len(t, seen, 3)
	for spi, address := range map[uint32]string{1000: "10.0.0.0", 1001: "10.0.0.1", 1002: "10.0.0.2"} {
		sa := seen[spi]
		require.Equal(t, netip.MustParseAddr(address), sa.Destination)
		require.Equal(t, netip.MustParseAddr("192.0.2.1"), sa.Source)
		require.EqualValues(t, ProtocolESP, sa.Protocol)
		require.EqualValues(t, 1, sa.Mode)
		require.EqualValues(t, 7, sa.ReqID)
		require.True(t, sa.Larval)
		require.EqualValues(t, 30, sa.Limits.SinceAdded) // net.core.xfrm_acq_expires
		require.NotZero(t, sa.Added)
	}
}

func TestTheEndOfAnAssociationIsAnEvent(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 1)
	c := newConn(t)
	require.NoError(t, c.Join(GroupSA, GroupExpire))
	netlinktest.MustIP(t, "xfrm state deleteall")
	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state flush")
	var kinds []Kind
	var ended []SA
	overrun, err := c.Drain(func(m netlink.Message) {
		var sa SA
		kind, err := DecodeEvent(m, &sa)
		require.NoError(t, err)
		kinds, ended = append(kinds, kind), append(ended, sa)
	})
	require.NoError(t, err)
	require.False(t, overrun)
	require.Equal(t, []Kind{Deleted, Flushed}, kinds)
	require.EqualValues(t, 1000, ended[0].SPI)
	require.True(t, ended[0].Larval)
	require.Contains(t, []uint8{0, 255}, ended[1].Protocol)
}

func TestWithoutCapabilityTheErrorIsEPERM(t *testing.T) {
	netlinktest.Enter(t)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	require.NoError(t, unix.Capset(&header, &none[0])) // of this thread
	_, _, err := Counts(context.Background(), newConn(t))
	require.ErrorIs(t, err, unix.EPERM)
	require.ErrorIs(t, DumpSAs(context.Background(), newConn(t), nil), unix.EPERM)
}

func TestADumpAllocatesNothingForEachAssociation(t *testing.T) {
	netlinktest.Enter(t)
	dump := func(count int) float64 {
		netlinktest.AddLarval(t, count)
		c := newConn(t)
		n := 0
		allocations := testing.AllocsPerRun(3, func() {
			require.NoError(t, DumpSAs(context.Background(), c, func(*SA) { n++ }))
		})
		require.Equal(t, 4*count, n)
		netlinktest.MustIP(t, "xfrm state flush")
		return allocations
	}
	// For each read, of 32 KiB, unix.Recvfrom allocates the sender.
	require.InDelta(t, dump(100), dump(2000), 60)
}

// BenchmarkDump compares a dump of 10,000 associations with one that is only read.
// It has 30 seconds: then larval associations go.
func BenchmarkDump(b *testing.B) {
	netlinktest.Enter(b)
	netlinktest.AddLarval(b, 10_000)
	// Sub-benchmarks run outside the namespace.
	fd, c := netlinktest.Socket(b, unix.NETLINK_XFRM), newConn(b)
	defer unix.Close(fd)
	b.Run("only read", func(b *testing.B) {
		request := words(16, msgGetSA|0x301<<16, 1, 0)
		buffer := make([]byte, 64<<10)
		for b.Loop() {
			require.NoError(b, unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
			const done = 3
			for buffer[4] = 0; buffer[4] != done; {
				_, err := unix.Read(fd, buffer)
				require.NoError(b, err)
			}
		}
	})
	b.Run("DumpSAs", func(b *testing.B) {
		for b.Loop() {
			n := 0
			require.NoError(b, DumpSAs(context.Background(), c, func(*SA) { n++ }))
			require.Equal(b, 10_000, n)
		}
	})
}
