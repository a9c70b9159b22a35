// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/rtnetlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

var both = Options{Counts: true, Tunnels: true}

func newReader(t *testing.T, options Options) *Reader {
	t.Helper()
	r := NewReader(options)
	t.Cleanup(r.Close)
	return r
}

func TestCountsOfARealKernel(t *testing.T) {
	s := enter(t)
	netlinktest.AddLarval(t, 3)
	netlinktest.MustIP(t, "xfrm policy add dst 10.1.0.0/16 dir out")
	before := descriptors(t)
	r := newReader(t, Options{Counts: true})
	n, errs := r.Read(context.Background(), &netns.Namespace{}, s)
	require.Empty(t, errs)
	assert.True(t, n.Counted)
	assert.False(t, n.Dumped)
	assert.EqualValues(t, 3, n.Associations)
	assert.Equal(t, xfrmnl.PolicyCounts{Out: 1}, n.Policies)
	assert.Equal(t, before, descriptors(t))
	assert.Empty(t, groups(t), "counts need no events")
}

// Only the main namespace is listened to: a socket would keep another alive.
func TestOnlyTheMainNamespaceIsListenedTo(t *testing.T) {
	s := enter(t)
	before := descriptors(t)
	r := newReader(t, both)
	n, errs := r.Read(context.Background(), &netns.Namespace{Name: "vpn"}, s)
	require.Empty(t, errs)
	assert.True(t, n.Counted && n.Dumped)
	assert.Equal(t, before, descriptors(t))
	assert.Empty(t, groups(t))

	for range 3 {
		n, errs = r.Read(context.Background(), &netns.Namespace{}, s)
		require.Empty(t, errs)
		assert.True(t, n.Counted && n.Dumped)
		assert.Equal(t, []string{"00000006"}, groups(t))
	}
	r.Close()
	assert.Equal(t, before, descriptors(t))
}

func TestAListenerThatFailedIsReplaced(t *testing.T) {
	s := enter(t)
	r := newReader(t, both)
	main := &netns.Namespace{}
	_, errs := r.Read(context.Background(), main, s)
	require.Empty(t, errs)
	first := r.listener
	_ = first.conn.Close()
	<-first.done
	before := descriptors(t)
	n, errs := r.Read(context.Background(), main, s)
	require.Empty(t, errs)
	assert.True(t, n.Dumped)
	assert.NotSame(t, first, r.listener)
	assert.True(t, r.listener.isAlive())
	assert.Equal(t, []string{"00000006"}, groups(t))
	assert.Equal(t, before+1, descriptors(t), "the one that failed had one left")
}

// Without events the dumps alone tell.
func TestWhatCannotListenStillDumps(t *testing.T) {
	s := enter(t)
	r := newReader(t, both)
	s.broken = map[int]error{unix.NETLINK_ROUTE: errBroken}
	n, errs := r.Read(context.Background(), &netns.Namespace{}, s)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], errBroken)
	assert.True(t, n.Counted && n.Dumped)
	assert.Nil(t, r.listener)
	s.broken = nil
	_, errs = r.Read(context.Background(), &netns.Namespace{}, s)
	require.Empty(t, errs)
	assert.NotNil(t, r.listener, "it is tried again")
}

func TestWhyNothingIsRead(t *testing.T) {
	s := enter(t)
	before := descriptors(t)
	r := newReader(t, both)
	s.broken = map[int]error{unix.NETLINK_XFRM: netns.ErrNoProtocol}
	n, errs := r.Read(context.Background(), &netns.Namespace{}, s)
	require.Equal(t, []error{ErrNoXfrmUser}, errs)
	assert.False(t, n.Counted || n.Dumped)

	s.broken = nil
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, errs = r.Read(ctx, &netns.Namespace{Name: "vpn"}, s)
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], context.Canceled)

	dropCapabilities(t)
	n, errs = r.Read(context.Background(), &netns.Namespace{}, s)
	require.Equal(t, []error{ErrNotPermitted}, errs)
	assert.False(t, n.Counted || n.Dumped)
	r.options.Counts = false
	n, errs = r.Read(context.Background(), &netns.Namespace{}, s)
	require.Equal(t, []error{ErrNotPermitted}, errs, "neither the events nor the dump, said once")
	assert.False(t, n.Dumped)
	assert.Equal(t, before, descriptors(t))
}

func TestANamespaceThatHasGoneIsForgotten(t *testing.T) {
	r := NewReader(both)
	gone, kept, read := &netns.Namespace{Name: "gone"}, &netns.Namespace{Name: "kept"}, &netns.Namespace{Name: "read"}
	one, two, three := r.of(kept), r.of(read), r.of(gone)
	r.EndScrape()
	require.Len(t, r.known, 3)
	r.EndScrape() // it found none: the processes could not be listed
	assert.Same(t, two, r.of(read))
	assert.Same(t, three, r.of(gone))
	r.Keep(kept)
	r.EndScrape()
	for range 2 {
		r.Keep(kept)
		r.Keep(&netns.Namespace{Name: "never read"})
		assert.Same(t, two, r.of(read))
		r.EndScrape()
	}
	require.Len(t, r.known, 2)
	assert.Same(t, one, r.of(kept))
}

func TestExplain(t *testing.T) {
	require.NoError(t, Explain(nil))
	require.Equal(t, ErrNotPermitted, Explain(errors.Join(errBroken, unix.EPERM)))
	require.EqualError(t, Explain(errBroken), "NETLINK_XFRM: broken")
}

// The host is asked once, and again when that is wanted.
func TestTheHostIsAskedOnce(t *testing.T) {
	s := enter(t)
	before := descriptors(t)
	host := NewHost(context.Background(), s)
	address := netip.MustParseAddr("192.0.2.1")
	assert.Empty(t, s.opened)
	assert.False(t, host.IsLocal(address))
	netlinktest.MustIP(t, "link set lo up")
	netlinktest.MustIP(t, "address add 192.0.2.1/24 dev lo")
	assert.False(t, host.IsLocal(address))
	host.Again()
	assert.True(t, host.IsLocal(address))
	assert.False(t, host.IsLocal(netip.MustParseAddr("192.0.2.2")))
	assert.Empty(t, host.InterfaceOf(tunnel.Key{IfID: 42}))
	assert.Len(t, s.opened, 1)
	require.NoError(t, host.err)
	host.Close()
	assert.Equal(t, before, descriptors(t))
}

func TestAnXFRMInterfaceIsFound(t *testing.T) {
	s := enter(t)
	if out, err := netlinktest.IP(t, "link add ipsec0 type xfrm dev lo if_id 42"); err != nil {
		t.Skip("needs CONFIG_XFRM_INTERFACE: " + out)
	}
	host := NewHost(context.Background(), s)
	defer host.Close()
	assert.Equal(t, "ipsec0", host.InterfaceOf(tunnel.Key{IfID: 42}))
	assert.Empty(t, host.InterfaceOf(tunnel.Key{IfID: 43}))
}

// The first error is kept, whatever succeeds later.
func TestTheErrorOfAHost(t *testing.T) {
	s := enter(t)
	s.broken = map[int]error{unix.NETLINK_ROUTE: errBroken}
	host := NewHost(context.Background(), s)
	defer host.Close()
	require.ErrorIs(t, host.Open(), errBroken)
	require.EqualError(t, host.Open(), "NETLINK_ROUTE: broken")
	assert.False(t, host.IsLocal(netip.MustParseAddr("192.0.2.1")))
	s.broken = nil
	assert.Empty(t, host.InterfaceOf(tunnel.Key{IfID: 42}))
	require.ErrorIs(t, host.err, errBroken)
}

func TestWhichInterfaceATunnelHas(t *testing.T) {
	local, peer, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2"), netip.MustParseAddr("198.51.100.3")
	key := tunnel.Key{Local: local, Peer: peer, Mark: 5}
	for name, test := range map[string]struct {
		want bool
		i    rtnetlink.Interface
		key  tunnel.Key
	}{
		"if_id":                {true, rtnetlink.Interface{IfID: 42}, tunnel.Key{IfID: 42}},
		"another if_id":        {false, rtnetlink.Interface{IfID: 42}, tunnel.Key{IfID: 43, Mark: 5}},
		"neither has one":      {false, rtnetlink.Interface{}, tunnel.Key{}},
		"input key":            {true, rtnetlink.Interface{InKey: 5}, key},
		"output key":           {true, rtnetlink.Interface{OutKey: 5}, key},
		"another key":          {false, rtnetlink.Interface{InKey: 6, OutKey: 7}, key},
		"any remote address":   {true, rtnetlink.Interface{InKey: 5, Remote: netip.IPv4Unspecified()}, key},
		"remote address":       {true, rtnetlink.Interface{InKey: 5, Remote: peer}, key},
		"another remote":       {false, rtnetlink.Interface{InKey: 5, Remote: other}, key},
		"both addresses":       {true, rtnetlink.Interface{InKey: 5, Local: local, Remote: peer}, key},
		"another local":        {false, rtnetlink.Interface{InKey: 5, Local: other, Remote: peer}, key},
		"any local address":    {true, rtnetlink.Interface{InKey: 5, Local: netip.IPv6Unspecified()}, key},
		"no mark, no key":      {false, rtnetlink.Interface{Remote: peer}, tunnel.Key{Peer: peer}},
		"if_id before the key": {false, rtnetlink.Interface{IfID: 42, InKey: 5}, key},
	} {
		assert.Equal(t, test.want, isOf(&test.i, test.key), name)
	}
}
