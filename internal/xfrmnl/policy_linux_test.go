// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
)

func TestThePolicyEventsOfARealKernel(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	require.NoError(t, c.Join(GroupPolicy, GroupExpire))
	const selector = "src 10.2.0.0/24 dst 10.1.0.0/16 proto udp sport 4500 dport 500 dir out mark 1 mask 0xff if_id 42"
	const templates = "tmpl src 192.0.2.1 dst 198.51.100.2 proto esp spi 0x10 reqid 77 mode tunnel tmpl proto comp reqid 78 mode transport level use"
	netlinktest.MustIP(t, "xfrm policy add "+selector+" priority 9 "+templates)
	netlinktest.MustIP(t, "xfrm policy update "+selector+" priority 9 action block")
	netlinktest.MustIP(t, "xfrm policy delete "+selector)
	netlinktest.MustIP(t, "-6 xfrm policy add src fd02::/24 dst fd01::/16 dir fwd")
	netlinktest.MustIP(t, "xfrm policy flush")

	var kinds []PolicyKind
	var policies []Policy
	_, err := c.Drain(func(m netlink.Message) {
		var p Policy
		kind, err := DecodePolicyEvent(m, &p)
		require.NoError(t, err)
		kinds, policies = append(kinds, kind), append(policies, p)
	})
	require.NoError(t, err)
	require.Equal(t, []PolicyKind{PolicyAdded, PolicyUpdated, PolicyDeleted, PolicyAdded, PoliciesFlushed}, kinds)

	require.EqualValues(t, PolicyOut, policies[1].Index&7)
	blocks := Policy{
		Selector: Selector{
			Source: netip.MustParsePrefix("10.2.0.0/24"), Destination: netip.MustParsePrefix("10.1.0.0/16"),
			SourcePort: 4500, DestinationPort: 500, Protocol: unix.IPPROTO_UDP,
		},
		Index: policies[1].Index, Direction: PolicyOut, Blocks: true,
		IfID: 42, Mark: 1, MarkMask: 0xff,
	}
	require.Equal(t, blocks, policies[1])
	require.Equal(t, blocks, policies[2])

	added := blocks
	added.Blocks = false
	added.Templates = []Template{
		{
			Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("198.51.100.2"),
			SPI: 0x10, Protocol: ProtocolESP, Mode: 1, ReqID: 77,
		},
		{
			Source: netip.IPv4Unspecified(), Destination: netip.IPv4Unspecified(),
			Protocol: ProtocolIPComp, ReqID: 78, Optional: true,
		},
	}
	added.Index = policies[0].Index
	require.Equal(t, added, policies[0])

	require.Equal(t, "fd01::/16", policies[3].Selector.Destination.String())
	require.Equal(t, "fd02::/24", policies[3].Selector.Source.String())
	require.Equal(t, PolicyForward, policies[3].Direction)
	require.Equal(t, Policy{}, policies[4])
}

// In transport mode the policy names no addresses; the acquire does.
func TestTheAcquireOfAPolicyWithoutAddresses(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	require.NoError(t, c.Join(GroupExpire))
	require.NoError(t, c.Join(GroupAcquire), "joining again, with the port that it has")
	netlinktest.MustIP(t, "link set lo up")
	netlinktest.MustIP(t, "address add 192.0.2.1/24 dev lo")
	netlinktest.MustIP(t, "route add 198.51.100.0/24 dev lo")
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/conf/lo/disable_xfrm", []byte("0"), 0))
	netlinktest.MustIP(t, "xfrm policy add dst 198.51.100.0/24 dir out tmpl proto comp reqid 6 mode transport level use "+
		"tmpl proto esp reqid 7 mode transport")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	_ = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 5555, Addr: [4]byte{198, 51, 100, 7}})
	var missing []Template
	_, err = c.Drain(func(m netlink.Message) {
		var a Acquire
		_, err := DecodeAcquire(m, &a)
		require.NoError(t, err)
		missing = append(missing, a.Missing)
	})
	require.NoError(t, err)
	from, to := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.7")
	require.Equal(t, []Template{
		{Source: from, Destination: to, Protocol: ProtocolIPComp, ReqID: 6, Optional: true},
		{Source: from, Destination: to, Protocol: ProtocolESP, ReqID: 7},
	}, missing)
}

func TestTheAcquireOfARealKernelAndItsExpiry(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	require.NoError(t, c.Join(GroupAcquire, GroupExpire, GroupSA))
	sysctl := func(name, value string) {
		require.NoError(t, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0))
	}
	sysctl("core/xfrm_acq_expires", "1")
	netlinktest.MustIP(t, "link set lo up")
	netlinktest.MustIP(t, "address add 192.0.2.1/24 dev lo")
	netlinktest.MustIP(t, "route add 198.51.100.0/24 dev lo")
	// By default what leaves through the loopback interface is not transformed.
	sysctl("ipv4/conf/lo/disable_xfrm", "0")
	netlinktest.MustIP(t, "xfrm policy add dst 198.51.100.0/24 dir out tmpl src 192.0.2.1 dst 198.51.100.99 proto esp reqid 77 mode tunnel")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Port: 4444, Addr: [4]byte{192, 0, 2, 1}}))
	_ = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 5555, Addr: [4]byte{198, 51, 100, 7}})

	var acquires []Acquire
	_, err = c.Drain(func(m netlink.Message) {
		var a Acquire
		ok, err := DecodeAcquire(m, &a)
		require.NoError(t, err)
		require.True(t, ok)
		acquires = append(acquires, a)
	})
	require.NoError(t, err)
	require.Len(t, acquires, 1)
	a := acquires[0]
	require.NotZero(t, a.Sequence)
	require.Equal(t, Selector{
		Source: netip.MustParsePrefix("192.0.2.1/32"), Destination: netip.MustParsePrefix("198.51.100.7/32"),
		SourcePort: 4444, DestinationPort: 5555, Protocol: unix.IPPROTO_UDP,
	}, a.Flow)
	require.Equal(t, PolicyOut, a.Policy.Direction)
	require.EqualValues(t, PolicyOut, a.Policy.Index&7)
	require.Equal(t, "198.51.100.0/24", a.Policy.Selector.Destination.String())
	require.Equal(t, []Template{{
		Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("198.51.100.99"),
		Protocol: ProtocolESP, Mode: 1, ReqID: 77,
	}}, a.Policy.Templates)

	require.Equal(t, a.Policy.Templates[0], a.Missing)

	// Nobody answers: the larval association expires, and has no SPI.
	require.NoError(t, c.Wait())
	var sa SA
	var kinds []Kind
	_, err = c.Drain(func(m netlink.Message) {
		kind, err := DecodeEvent(m, &sa)
		require.NoError(t, err)
		kinds = append(kinds, kind)
	})
	require.NoError(t, err)
	require.Equal(t, []Kind{ExpiredHard}, kinds)
	require.Zero(t, sa.SPI)
	require.True(t, sa.Larval)
	require.EqualValues(t, 77, sa.ReqID)
	require.Equal(t, "198.51.100.99", sa.Destination.String())
}
