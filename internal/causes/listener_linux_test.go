// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// sockets are those of the namespace of the test. The protocol in them fails.
type sockets map[int]error

func (s sockets) OpenSocket(protocol int) (int, error) {
	if err := s[protocol]; err != nil {
		return -1, err
	}
	return unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
}

// handler notes what it is told.
type handler struct {
	told             []string
	acquires         []xfrmnl.Acquire
	deleted, expired []Association
}

func (h *handler) add(format string, args ...any) {
	h.told = append(h.told, fmt.Sprintf(format, args...))
}

func (h *handler) Acquire(a xfrmnl.Acquire, unanswered bool) {
	h.acquires = append(h.acquires, a)
	h.add("acquire %v %d unanswered=%v", a.Flow.Destination, a.Missing.ReqID, unanswered)
}
func (h *handler) Created(a Association) { h.add("created %#x", a.SPI) }
func (h *handler) Deleted(a Association) {
	h.deleted = append(h.deleted, a)
	h.add("deleted %#x", a.SPI)
}

func (h *handler) Expired(a Association, hard bool) {
	h.expired = append(h.expired, a)
	h.add("expired %#x hard=%v", a.SPI, hard)
}
func (h *handler) Flushed(protocol uint8)   { h.add("flushed %d", protocol) }
func (h *handler) Mapping(m xfrmnl.Mapping) { h.add("mapping %#x %v %v", m.ID.SPI, m.Old, m.New) }
func (h *handler) Policy(kind xfrmnl.PolicyKind, p xfrmnl.Policy) {
	h.add("policy %d %v %v", kind, p.Selector.Destination, p.Blocks)
}

func everything() Wants { return Wants{true, true, true, true, true, true} }

func listen(t *testing.T, wants Wants) *Listener {
	t.Helper()
	netlinktest.Enter(t)
	_ = unix.Close(netlinktest.Socket(t, unix.NETLINK_XFRM)) // skips without
	l, err := Listen(sockets{}, wants)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

// drain returns what has arrived.
func drain(t *testing.T, l *Listener) *handler {
	t.Helper()
	h := &handler{}
	overrun, err := l.Drain(h)
	require.NoError(t, err)
	require.False(t, overrun)
	return h
}

// netlinkTable is /proc/net/netlink of the namespace of the test.
func netlinkTable(t *testing.T) []byte {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/net/netlink")
	require.NoError(t, err)
	return table
}

// groups are the groups of all sockets of NETLINK_XFRM in the namespace of the test,
// the kernel's own left out.
func groups(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, line := range strings.Split(string(netlinkTable(t)), "\n") {
		if fields := strings.Fields(line); len(fields) > 3 && fields[1] == "6" && fields[2] != "0" {
			all = append(all, fields[3])
		}
	}
	return all
}

func TestTheSocketIsInTheGroupsThatTheEventsNeed(t *testing.T) {
	for _, test := range []struct {
		wants Wants
		want  string
	}{
		{Wants{Expired: true}, "00000002"},
		{Wants{Deleted: true}, "00000004"},
		{Wants{Policies: true}, "0000000a"},
		{Wants{Mappings: true}, "00000080"},
		{everything(), "8000008e"},
	} {
		t.Run(test.want, func(t *testing.T) {
			listen(t, test.wants)
			assert.Equal(t, []string{test.want}, groups(t))
		})
	}
}

// Two receivers do not keep each other in the group when the daemon has gone.
func TestAcquiresAreJoinedWhileADaemonListens(t *testing.T) {
	one := listen(t, Wants{Acquires: true})
	two, err := Listen(sockets{}, everything())
	require.NoError(t, err)
	defer two.Close()
	require.True(t, one.WantsAcquires())
	both := func(want bool) {
		t.Helper()
		for range 2 {
			for _, l := range []*Listener{one, two} {
				joined, err := l.JoinAcquires(netlinkTable(t))
				require.NoError(t, err)
				require.Equal(t, want, joined)
			}
		}
	}
	both(false)
	require.ElementsMatch(t, []string{"80000002", "8000008e"}, groups(t))
	for range 2 {
		leave := netlinktest.JoinAcquires(t)
		both(true)
		require.ElementsMatch(t, []string{"80000003", "8000008f", "00000001"}, groups(t))
		leave()
		both(false)
		require.ElementsMatch(t, []string{"80000002", "8000008e"}, groups(t))
	}
}

func TestAnAcquireAndThatItWasNotAnswered(t *testing.T) {
	l := listen(t, Wants{Acquires: true})
	send := netlinktest.RequireAssociations(t)
	defer netlinktest.JoinAcquires(t)()
	_, err := l.JoinAcquires(netlinkTable(t))
	require.NoError(t, err)
	send(7)
	send(7)
	h := drain(t, l)
	require.Equal(t, []string{"acquire 198.51.100.7/32 77 unanswered=false"}, h.told)
	a := h.acquires[0]
	assert.Equal(t, "192.0.2.1/32", a.Flow.Source.String())
	assert.EqualValues(t, 4444, a.Flow.SourcePort)
	assert.EqualValues(t, 5555, a.Flow.DestinationPort)
	assert.EqualValues(t, unix.IPPROTO_UDP, a.Flow.Protocol)
	assert.Equal(t, "198.51.100.99", a.Missing.Destination.String())
	assert.NotZero(t, a.Policy.Index)

	require.NoError(t, l.Wait()) // it expires after a second
	h = drain(t, l)
	require.Equal(t, []string{"acquire 198.51.100.7/32 77 unanswered=true"}, h.told, "and no association that has expired")
	assert.Equal(t, a, h.acquires[0])
	assert.Empty(t, l.acquires)
}

// An unanswered acquire is no event of its association either.
func TestTheLarvalAssociationOfAnAcquireIsNoEvent(t *testing.T) {
	l := listen(t, Wants{Created: true, Deleted: true, Expired: true})
	send := netlinktest.RequireAssociations(t)
	defer netlinktest.JoinAcquires(t)()
	send(7)
	require.NoError(t, l.Wait())
	assert.Empty(t, drain(t, l).told)
	netlinktest.AddLarval(t, 2)
	netlinktest.MustIP(t, "xfrm state deleteall")
	require.NoError(t, l.Wait())
	assert.Empty(t, drain(t, l).told)
}

// An address can be added at any time. (The association is a larval one with a reqid
// and a limit that a daemon could have set; the message does not tell.)
func TestTheAddressesAreAskedForAgain(t *testing.T) {
	l := listen(t, Wants{Expired: true})
	netlinktest.Sysctl(t, "core/xfrm_acq_expires", "1")
	netlinktest.MustIP(t, "link set lo up")
	for _, want := range []tunnel.Direction{tunnel.Unknown, tunnel.Outbound} {
		netlinktest.AddLarval(t, 1)
		require.NoError(t, l.Wait())
		h := drain(t, l)
		require.Len(t, h.expired, 1)
		assert.Equal(t, want, h.expired[0].Direction)
		assert.Equal(t, "192.0.2.1", h.expired[0].Tunnel.Local.String())
		assert.Equal(t, "time", h.expired[0].Limit(true, h.expired[0].Added+1))
		netlinktest.MustIP(t, "address replace 192.0.2.1/24 dev lo")
	}
}

func TestPoliciesOfARealKernel(t *testing.T) {
	l := listen(t, Wants{Policies: true})
	netlinktest.MustIP(t, "xfrm policy add dst 10.1.0.0/16 dir out action block")
	netlinktest.MustIP(t, "xfrm policy update dst 10.1.0.0/16 dir out")
	netlinktest.MustIP(t, "xfrm policy delete dst 10.1.0.0/16 dir out")
	netlinktest.MustIP(t, "xfrm policy add dst 10.1.0.0/16 dir out")
	netlinktest.MustIP(t, "xfrm policy flush")
	assert.Equal(t, []string{
		fmt.Sprintf("policy %d 10.1.0.0/16 true", xfrmnl.PolicyAdded),
		fmt.Sprintf("policy %d 10.1.0.0/16 false", xfrmnl.PolicyUpdated),
		fmt.Sprintf("policy %d 10.1.0.0/16 false", xfrmnl.PolicyDeleted),
		fmt.Sprintf("policy %d 10.1.0.0/16 false", xfrmnl.PolicyAdded),
		fmt.Sprintf("policy %d invalid Prefix false", xfrmnl.PoliciesFlushed),
	}, drain(t, l).told)
}

// The group of associations that expire has policies, too.
func TestAPolicyThatExpires(t *testing.T) {
	policies := listen(t, Wants{Policies: true})
	others, err := Listen(sockets{}, Wants{Acquires: true, Expired: true})
	require.NoError(t, err)
	defer others.Close()
	netlinktest.MustIP(t, "xfrm policy add dst 10.1.0.0/16 dir out limit time-hard 1")
	drain(t, policies)
	require.NoError(t, policies.Wait())
	require.NoError(t, others.Wait())
	assert.Equal(t, []string{fmt.Sprintf("policy %d 10.1.0.0/16 false", xfrmnl.PolicyExpiredHard)}, drain(t, policies).told)
	assert.Empty(t, drain(t, others).told)
}

func TestAFlushIsOneEvent(t *testing.T) {
	l := listen(t, Wants{Deleted: true})
	netlinktest.AddLarval(t, 2)
	netlinktest.MustIP(t, "xfrm state flush proto esp")
	assert.Equal(t, []string{"flushed 50"}, drain(t, l).told)
}

// noting notes the sockets that it opens.
type noting []int

func (n *noting) OpenSocket(protocol int) (int, error) {
	fd, err := sockets{}.OpenSocket(protocol)
	*n = append(*n, fd)
	return fd, err
}

func TestAnOverrunIsReported(t *testing.T) {
	listen(t, Wants{Policies: true})
	var opened noting
	l, err := Listen(&opened, Wants{Policies: true})
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, unix.SetsockoptInt(opened[0], unix.SOL_SOCKET, unix.SO_RCVBUF, 8192))
	for i := range 40 {
		netlinktest.MustIP(t, "xfrm policy add dst 10.1.0.0/16 dir out mark "+strconv.Itoa(i+1))
	}
	h := &handler{}
	overrun, err := l.Drain(h)
	require.NoError(t, err)
	assert.True(t, overrun)
	assert.NotEmpty(t, h.told)
}

// Messages that this machine's kernel cannot be made to send.
func TestHandle(t *testing.T) {
	sa := func(spi, acquire uint32, larval bool) *xfrmnl.SA {
		return &xfrmnl.SA{
			ID:     xfrmnl.ID{Destination: here, SPI: spi, Protocol: 50, Mark: 1, MarkMask: 2},
			Source: there, ReqID: 1, Acquire: acquire, Larval: larval,
		}
	}
	l := &Listener{wants: everything(), host: nil, acquires: make(acquires), mappings: make(mappings)}
	l.host = associations.NewHost(t.Context(), sockets{unix.NETLINK_ROUTE: unix.EPERM})
	defer l.host.Close()
	h := &handler{}
	l.handleSA(xfrmnl.Added, sa(1, 0, false), h)
	l.handleSA(xfrmnl.Updated, sa(2, 0, false), h)
	l.handleSA(xfrmnl.Added, sa(3, 0, true), h)
	l.handleSA(xfrmnl.Deleted, sa(1, 0, false), h)
	l.handleSA(xfrmnl.Deleted, sa(3, 0, true), h)
	l.handleSA(xfrmnl.ExpiredSoft, sa(2, 0, true), h)
	l.handleSA(xfrmnl.ExpiredHard, sa(2, 0, true), h)
	l.handleSA(xfrmnl.ExpiredHard, sa(0, 9, true), h)
	l.handleSA(xfrmnl.Flushed, sa(0, 0, true), h)
	l.handleSA(xfrmnl.Other, sa(5, 0, false), h)
	assert.Equal(t, []string{
		"created 0x1", "created 0x2", "deleted 0x1", "expired 0x2 hard=false", "expired 0x2 hard=true", "flushed 50",
	}, h.told)

	// What is not asked for is not passed on: other events come with the group.
	h.told = nil
	l.wants = Wants{}
	for _, kind := range []xfrmnl.Kind{xfrmnl.Added, xfrmnl.Updated, xfrmnl.Deleted, xfrmnl.ExpiredSoft, xfrmnl.ExpiredHard, xfrmnl.Flushed} {
		l.handleSA(kind, sa(1, 0, false), h)
	}
	assert.Empty(t, h.told)

	// The mapping of an association that has ended is forgotten.
	for _, kind := range []xfrmnl.Kind{xfrmnl.Deleted, xfrmnl.ExpiredHard, xfrmnl.Flushed} {
		l.mappings[withoutMark(sa(1, 0, false).ID)] = l.mappings[xfrmnl.ID{}]
		l.handleSA(kind, sa(1, 0, false), h)
		assert.Empty(t, l.mappings)
	}
	l.mappings[withoutMark(sa(1, 0, false).ID)] = l.mappings[xfrmnl.ID{}]
	l.handleSA(xfrmnl.ExpiredSoft, sa(1, 0, false), h)
	assert.Len(t, l.mappings, 1)
}

const key = "the key of the association, in clear"

// info is struct xfrm_usersa_info of an association from 198.51.100.2 to 192.0.2.1.
func info() []byte {
	b := make([]byte, netlinktest.SizeSAInfo)
	copy(b[56:], here.AsSlice())
	binary.BigEndian.PutUint32(b[72:], 0xc0ffee)
	b[76] = unix.IPPROTO_ESP
	copy(b[80:], there.AsSlice())
	binary.NativeEndian.PutUint64(b[168:], 5) // packets
	binary.NativeEndian.PutUint16(b[212:], unix.AF_INET)
	return b
}

// withKey appends what holds the key.
func withKey(b []byte) []byte {
	const algAEAD, beforeKey = 18, 72
	return netlink.AppendAttribute(b, algAEAD, append(make([]byte, beforeKey), key...))
}

// Messages that this machine's kernel cannot be made to send. No key leaves.
func TestMessagesOfAssociations(t *testing.T) {
	const newSA, delSA, expire, mapping, attrSA = 0x10, 0x11, 0x18, 0x26, 6
	const padding = unsafe.Alignof(uint64(0)) - 1 // of struct xfrm_user_expire
	moved := make([]byte, 64)
	copy(moved, here.AsSlice())
	binary.BigEndian.PutUint32(moved[16:], 0xc0ffee)
	binary.NativeEndian.PutUint16(moved[20:], unix.AF_INET)
	moved[22] = unix.IPPROTO_ESP
	copy(moved[28:], there.AsSlice())
	copy(moved[44:], there.AsSlice())
	copy(moved[60:], []byte{0x11, 0x94, 0x9c, 0x40})

	l := &Listener{wants: everything(), acquires: make(acquires), mappings: make(mappings)}
	l.host = associations.NewHost(t.Context(), sockets{unix.NETLINK_ROUTE: unix.EPERM})
	defer l.host.Close()
	h := &handler{}
	for _, m := range []netlink.Message{
		{Type: newSA, Data: withKey(info())},
		{Type: mapping, Data: moved},
		{Type: mapping, Data: moved},
		{Type: expire, Data: append(append(info(), 1), make([]byte, padding)...)},
		{Type: mapping, Data: moved},
		{Type: delSA, Data: netlink.AppendAttribute(withKey(make([]byte, 24)), attrSA, info())},
	} {
		require.NoError(t, l.handle(m, h))
	}
	const place = "mapping 0xc0ffee 198.51.100.2:4500 198.51.100.2:40000"
	assert.Equal(t, []string{"created 0xc0ffee", place, "expired 0xc0ffee hard=true", place, "deleted 0xc0ffee"}, h.told)
	require.Len(t, h.deleted, 1)
	assert.NotContains(t, fmt.Sprintf("%+v", h.deleted), key[:8])
}

func TestAMalformedEventCostsItselfAlone(t *testing.T) {
	l := &Listener{wants: everything()}
	h := &handler{}
	for _, kind := range []uint16{0x10, 0x11, 0x13, 0x14, 0x17, 0x18, 0x1a, 0x1b, 0x1c, 0x26} {
		require.ErrorIs(t, l.handle(netlink.Message{Type: kind}, h), netlink.ErrMalformed, "%#x", kind)
	}
	require.NoError(t, l.handle(netlink.Message{Type: 0x99}, h))
	assert.Empty(t, h.told)
}

func TestCloseEndsWait(t *testing.T) {
	l := listen(t, everything())
	ended := make(chan error)
	go func() { ended <- l.Wait() }()
	l.Close()
	require.Error(t, <-ended)
	_, err := l.Drain(&handler{})
	require.Error(t, err)
	require.NotErrorIs(t, err, netlink.ErrMalformed)
}

func TestListenFails(t *testing.T) {
	netlinktest.Enter(t)
	_ = unix.Close(netlinktest.Socket(t, unix.NETLINK_XFRM))
	broken := errors.New("broken")
	// The first try opens descriptors of Go's own.
	l, err := Listen(sockets{}, everything())
	require.NoError(t, err)
	l.Close()
	before := descriptors(t)
	for _, test := range []struct {
		sockets sockets
		want    error
	}{
		{sockets{unix.NETLINK_XFRM: netns.ErrNoProtocol}, associations.ErrNoXfrmUser},
		{sockets{unix.NETLINK_XFRM: broken}, broken},
		{sockets{unix.NETLINK_ROUTE: broken}, broken},
	} {
		_, err := Listen(test.sockets, everything())
		require.ErrorIs(t, err, test.want)
	}
	l, err = Listen(sockets{}, everything())
	require.NoError(t, err)
	l.Close()
	l.Close()
	assert.Equal(t, before, descriptors(t))
}

func TestListenNeedsACapability(t *testing.T) {
	netlinktest.Enter(t)
	_ = unix.Close(netlinktest.Socket(t, unix.NETLINK_XFRM))
	// The capabilities are those of the thread, which ends with the test.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	require.NoError(t, unix.Capset(&header, &none[0]))
	_, err := Listen(sockets{}, everything())
	require.ErrorIs(t, err, associations.ErrNotPermitted)
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}
