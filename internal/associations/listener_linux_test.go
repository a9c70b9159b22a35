// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
)

// known is an Accumulator that has had a dump without associations.
func known(host tunnel.Host) *tunnel.Accumulator {
	tunnels := tunnel.New(tunnel.Options{})
	tunnels.BeginDump(time.Now(), host, true)
	tunnels.EndDump(time.Now())
	return tunnels
}

func TestEachEventReachesTheTunnels(t *testing.T) {
	type tunnels struct{ associations, created, packets int64 }
	alive := []netlink.Message{added(newSA, 0)}
	for name, test := range map[string]struct {
		events []netlink.Message
		want   tunnels
	}{
		"added":          {alive, tunnels{1, 1, 0}},
		"completed":      {[]netlink.Message{added(updSA, 0)}, tunnels{1, 1, 0}},
		"deleted":        {append(alive, deleted(5)), tunnels{0, 1, 5}},
		"expired, hard":  {append(alive, expired(6, 1)), tunnels{0, 1, 6}},
		"expired, soft":  {append(alive, expired(6, 0)), tunnels{1, 1, 0}},
		"flushed":        {append(alive, flushed()), tunnels{0, 1, 0}},
		"another":        {append(alive, netlink.Message{Type: 0x99}), tunnels{1, 1, 0}},
		"malformed ones": {append(alive, netlink.Message{Type: delSA}, deleted(5)), tunnels{0, 1, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			host := NewHost(context.Background(), enter(t))
			defer host.Close()
			netlinktest.MustIP(t, "link set lo up")
			netlinktest.MustIP(t, "address add 192.0.2.1/24 dev lo")
			l := &listener{tunnels: known(host), host: host}
			for _, m := range test.events {
				l.handle(m)
			}
			var got []tunnels
			l.tunnels.Each(time.Now(), func(one *tunnel.Tunnel) {
				traffic := one.Traffic[tunnel.Inbound]
				require.NotNil(t, traffic, "the address is one of the namespace")
				got = append(got, tunnels{traffic.Associations, traffic.Created, traffic.Packets})
			})
			assert.Equal(t, []tunnels{test.want}, got)
			assert.Equal(t, name == "malformed ones", l.err != nil)
		})
	}
}

func listen(t *testing.T, s *sockets) *listener {
	t.Helper()
	l, err := newListener(tunnel.New(tunnel.Options{}), s)
	require.NoError(t, err)
	t.Cleanup(l.close)
	return l
}

// Joining the group ACQUIRE would change what the kernel does.
func TestTheGroupsOfTheListener(t *testing.T) {
	listen(t, enter(t))
	assert.Equal(t, []string{"00000006"}, groups(t))
}

func TestEventsOfARealKernelAreRead(t *testing.T) {
	s := enter(t)
	l := listen(t, s)
	netlinktest.AddLarval(t, 100)
	netlinktest.MustIP(t, "xfrm state deleteall")
	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state flush")
	require.NoError(t, l.drain())
	_, _, err := unix.Recvfrom(s.opened[0], make([]byte, 10), unix.MSG_DONTWAIT|unix.MSG_PEEK)
	require.ErrorIs(t, err, unix.EAGAIN)
	assert.True(t, l.isAlive())
}

// An overrun is told to the next scrape, once.
func TestAnOverrun(t *testing.T) {
	s := enter(t)
	l := listen(t, s)
	require.NoError(t, unix.SetsockoptInt(s.opened[0], unix.SOL_SOCKET, unix.SO_RCVBUF, 4096))
	l.mu.Lock() // it reads nothing meanwhile
	netlinktest.AddLarval(t, 50)
	netlinktest.MustIP(t, "xfrm state deleteall")
	l.mu.Unlock()
	require.ErrorIs(t, l.drain(), ErrOverrun)
	require.NoError(t, l.drain())
	assert.True(t, l.isAlive())
}

func TestAMalformedEventIsToldOnce(t *testing.T) {
	l := listen(t, enter(t))
	l.mu.Lock()
	l.handle(netlink.Message{Type: delSA})
	l.mu.Unlock()
	err := l.drain()
	require.ErrorIs(t, err, netlink.ErrMalformed)
	require.ErrorContains(t, err, "events of NETLINK_XFRM: message of type 0x11")
	require.NoError(t, l.drain())
	assert.True(t, l.isAlive())
}

func TestCloseLeavesNothing(t *testing.T) {
	s := enter(t)
	before := descriptors(t)
	for range 5 {
		l, err := newListener(tunnel.New(tunnel.Options{}), s)
		require.NoError(t, err)
		require.True(t, l.isAlive())
		l.close()
		require.False(t, l.isAlive())
	}
	assert.Equal(t, before, descriptors(t))
	assert.Empty(t, groups(t))
}

func TestWhatCannotListenLeavesNothing(t *testing.T) {
	s := enter(t)
	before := descriptors(t)
	for _, protocol := range []int{unix.NETLINK_XFRM, unix.NETLINK_ROUTE} {
		s.broken = map[int]error{protocol: errBroken}
		_, err := newListener(tunnel.New(tunnel.Options{}), s)
		require.ErrorIs(t, err, errBroken, strconv.Itoa(protocol))
	}
	dropCapabilities(t)
	s.broken = nil
	_, err := newListener(tunnel.New(tunnel.Options{}), s)
	require.ErrorIs(t, err, ErrNotPermitted)
	assert.Equal(t, before, descriptors(t))
}
