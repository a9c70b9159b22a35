// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
)

// The messages and groups of NETLINK_XFRM that these tests use.
const (
	msgNewSA      = 0x10
	msgDelSA      = 0x11
	msgGetSA      = 0x12
	msgFlushSA    = 0x1c
	msgNewSADInfo = 0x22
	msgGetSADInfo = 0x23
	msgNewSPDInfo = 0x24
	msgGetSPDInfo = 0x25
	groupSA       = 3
)

var (
	dump   = Request{Type: msgGetSA, Dump: true}
	counts = []Request{{Type: msgGetSADInfo, Data: make([]byte, 4)}, {Type: msgGetSPDInfo, Data: make([]byte, 4)}}
)

func newConn(t *testing.T) *Conn {
	t.Helper()
	return newConnWith(t, NewBuffer())
}

func newConnWith(t *testing.T, buffer *Buffer) *Conn {
	t.Helper()
	c, err := NewListener(netlinktest.Socket(t, unix.NETLINK_XFRM), buffer)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func requireCleared(t *testing.T, c *Conn) {
	t.Helper()
	require.Equal(t, make([]byte, len(c.buffer.data)), c.buffer.data, "the buffer is cleared")
}

func TestADumpPassesAllObjects(t *testing.T) {
	netlinktest.Enter(t)
	const count = 300 // more than one datagram
	netlinktest.AddLarval(t, count)
	c := newConn(t)
	for range 2 { // the second has other sequence numbers
		n := 0
		require.NoError(t, c.Exchange(context.Background(), func(m Message) error {
			require.EqualValues(t, msgNewSA, m.Type)
			require.Greater(t, len(m.Data), 200)
			n++
			return nil
		}, dump))
		require.Equal(t, count, n)
		requireCleared(t, c)
	}
}

func TestSeveralRequestsAreAnsweredInOneExchange(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	var types []uint16
	require.NoError(t, c.Exchange(context.Background(), func(m Message) error {
		types = append(types, m.Type)
		return nil
	}, counts...))
	require.Equal(t, []uint16{msgNewSADInfo, msgNewSPDInfo}, types)
	requireCleared(t, c)
}

func TestAnErrorOfTheKernelKeepsItsErrno(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	nothing := func(Message) error { return errors.New("nothing is expected") }

	err := c.Exchange(context.Background(), nothing, Request{Type: 0x50}) // no such message
	require.ErrorIs(t, err, unix.EINVAL)
	requireCleared(t, c)

	dropCapabilities(t)
	for _, requests := range [][]Request{counts, {dump}} {
		err = newConn(t).Exchange(context.Background(), nothing, requests...)
		require.ErrorIs(t, err, unix.EPERM)
	}
	require.ErrorIs(t, newConn(t).Join(groupSA), unix.EPERM)
}

// dropCapabilities drops them of the thread of the test alone.
func dropCapabilities(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	require.NoError(t, unix.Capset(&header, &none[0]))
}

func TestAnErrorOfTheCallerEndsAnExchange(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 3)
	c := newConn(t)
	enough := errors.New("enough")
	n := 0
	require.ErrorIs(t, c.Exchange(context.Background(), func(Message) error {
		n++
		return enough
	}, dump), enough)
	require.Equal(t, 1, n)
	requireCleared(t, c)
}

func TestTheBufferIsClearedAlsoAfterAPanic(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 3)
	c := newConn(t)
	require.Panics(t, func() {
		_ = c.Exchange(context.Background(), func(Message) error { panic("of the caller") }, dump)
	})
	requireCleared(t, c)
	require.NoError(t, c.Close())
}

func TestAnExchangeEndsWithItsContext(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, c.Exchange(ctx, nil, counts...), context.Canceled)

	unanswered := Request{Type: typeNoop}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Exchange(ctx, nil, unanswered), context.DeadlineExceeded)
	require.ErrorIs(t, c.Exchange(context.Background(), nil, unanswered), ErrNoAnswer)
	require.ErrorContains(t, ErrNoAnswer, "1s")
}

func TestADatagramLargerThanTheBufferIsAnError(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 10)
	c := newConnWith(t, &Buffer{make([]byte, 300)})
	err := c.Exchange(context.Background(), func(Message) error { return nil }, dump)
	require.ErrorIs(t, err, ErrDatagram)
	require.ErrorContains(t, err, "bytes, expected at most 300")
	requireCleared(t, c)
}

func TestEventsAreDrained(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 3)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	requireEvents(t, c)

	netlinktest.MustIP(t, "xfrm state deleteall")
	require.NoError(t, c.Wait())
	requireEvents(t, c, msgDelSA, msgDelSA, msgDelSA)
	requireEvents(t, c)
}

func TestDrainSomeLeavesTheRest(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	const atOnce, rounds = SomeEvents / 10, 11
	for range rounds { // ip(8) refuses to delete more at once
		netlinktest.AddLarval(t, atOnce)
		netlinktest.MustIP(t, "xfrm state deleteall")
	}
	events := 0
	_, err := c.DrainSome(func(Message) error {
		events++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, SomeEvents, events)
	require.NoError(t, c.Wait())
	_, err = c.Drain(func(Message) { events++ })
	require.NoError(t, err)
	require.Equal(t, rounds*atOnce, events)
}

func TestAnEventThatCannotBeDecodedCostsItselfAlone(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 3)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	netlinktest.MustIP(t, "xfrm state deleteall")
	events, malformed := 0, errors.New("malformed")
	overrun, err := c.DrainSome(func(Message) error {
		if events++; events == 2 {
			return malformed
		}
		return nil
	})
	require.Equal(t, malformed, err)
	require.False(t, overrun)
	require.Equal(t, 3, events)
}

func TestAGroupIsJoinedAndLeftLater(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 1)
	c := newConn(t)
	require.NoError(t, c.Join())
	require.NoError(t, c.Join(groupSA))
	netlinktest.MustIP(t, "xfrm state deleteall")
	requireEvents(t, c, msgDelSA)

	netlinktest.AddLarval(t, 1)
	require.NoError(t, c.Leave(groupSA))
	netlinktest.MustIP(t, "xfrm state deleteall")
	requireEvents(t, c)
}

func TestWaitEndsWithAnEvent(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 1)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	done := make(chan error)
	go func() { done <- c.Wait() }()
	netlinktest.MustIP(t, "xfrm state deleteall")
	require.NoError(t, <-done)
	requireEvents(t, c, msgDelSA)
}

func TestAnEventThatIsTooLargeCostsItselfAlone(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 2)
	c := newConnWith(t, &Buffer{make([]byte, 64)})
	require.NoError(t, c.Join(groupSA))
	netlinktest.MustIP(t, "xfrm state deleteall")
	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state flush")
	var types []uint16
	overrun, err := c.Drain(func(m Message) { types = append(types, m.Type) })
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorContains(t, err, "bytes, expected at most 64")
	require.False(t, overrun)
	require.Equal(t, []uint16{msgFlushSA}, types)
	requireCleared(t, c)
}

func TestAnOverrunIsReportedOnceAndWhatFittedArrives(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 100)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	require.NoError(t, c.control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8192)
	}))
	netlinktest.MustIP(t, "xfrm state deleteall")
	require.NoError(t, c.Wait())
	n := 0
	overrun, err := c.Drain(func(Message) { n++ })
	require.NoError(t, err)
	require.True(t, overrun)
	require.Positive(t, n)
	require.Less(t, n, 100)
	requireEvents(t, c)

	netlinktest.AddLarval(t, 1)
	netlinktest.MustIP(t, "xfrm state deleteall")
	requireEvents(t, c, msgDelSA)
}

func TestThereIsRoomForABurstOfEvents(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	require.NoError(t, c.control(func(fd int) error {
		size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		require.Equal(t, 2*receiveBuffer, size, "the kernel doubles it, see socket(7)")
		return err
	}))
}

func TestOnlyTheKernelIsBelieved(t *testing.T) {
	netlinktest.Enter(t)
	netlinktest.AddLarval(t, 1)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	var port uint32
	require.NoError(t, c.control(func(fd int) error {
		name, err := unix.Getsockname(fd)
		port = name.(*unix.SockaddrNetlink).Pid
		return err
	}))
	forger := netlinktest.Socket(t, unix.NETLINK_XFRM)
	defer unix.Close(forger)
	forged := (&Request{Type: msgDelSA, Data: []byte(secret)}).append(nil, 1)
	require.NoError(t, unix.Sendto(forger, forged, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}))
	netlinktest.MustIP(t, "xfrm state deleteall")
	requireEvents(t, c, msgDelSA)
}

func requireEvents(t *testing.T, c *Conn, types ...uint16) {
	t.Helper()
	var got []uint16
	overrun, err := c.Drain(func(m Message) { got = append(got, m.Type) })
	require.NoError(t, err)
	require.False(t, overrun)
	require.Equal(t, types, got)
	requireCleared(t, c)
}

func TestCloseEndsWait(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	require.NoError(t, c.Join(groupSA))
	done := make(chan error)
	go func() { done <- c.Wait() }()
	require.NoError(t, c.Close())
	require.Error(t, <-done)

	_, err := c.Drain(nil)
	require.Error(t, err)
	require.Error(t, c.Exchange(context.Background(), nil, counts...))
	require.Error(t, c.Wait())
}

func TestSeveralConnsShareABuffer(t *testing.T) {
	netlinktest.Enter(t)
	buffer := NewBuffer()
	for range 3 {
		c := newConnWith(t, buffer)
		require.NoError(t, c.Exchange(context.Background(), func(Message) error { return nil }, counts...))
	}
}

func TestNewListenerClosesWhatIsNoSocket(t *testing.T) {
	_, err := NewListener(-1, NewBuffer())
	require.ErrorIs(t, err, unix.EBADF)
}

func TestAnAnswerWithoutErrnoIsAnError(t *testing.T) {
	require.ErrorIs(t, errorOf(Message{Type: typeDone, Data: make([]byte, 3)}), ErrDatagram)
	require.NoError(t, errorOf(Message{Type: typeDone, Data: make([]byte, 4)}))
	negative := []byte{0xff, 0xff, 0xff, 0xff} // -1: a dump can fail at its end
	require.ErrorIs(t, errorOf(Message{Type: typeDone, Data: negative}), unix.EPERM)
}
