// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// typeUser is a type of record that the kernel writes for a program, even while
// audit is off (AUDIT_USER_AVC).
const typeUser = 1107

// writeRecord lets the kernel write a record of typeUser.
func writeRecord(t *testing.T, text string) {
	t.Helper()
	fd, err := sockets{}.OpenSocket(unix.NETLINK_AUDIT)
	require.NoError(t, err)
	defer unix.Close(fd)
	message := binary.NativeEndian.AppendUint32(nil, uint32(netlink.HeaderSize+len(text)+1))
	message = binary.NativeEndian.AppendUint16(message, typeUser)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST)
	message = append(message, make([]byte, 8)...)
	message = append(message, text+"\x00"...)
	require.NoError(t, unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
}

// Of all records, only those of the type arrive, and they arrive whole.
func TestFilter(t *testing.T) {
	requireAudit(t)
	users, err := listen(sockets{}, typeUser, groupRecord)
	require.NoError(t, err)
	defer func() { _ = users.Close() }()
	ipsec, err := Listen(sockets{})
	require.NoError(t, err)
	defer func() { _ = ipsec.Close() }()
	// Ends Wait below if nothing arrives.
	defer time.AfterFunc(10*time.Second, func() { _ = users.Close() }).Stop()

	text := fmt.Sprintf("written by a test of xfrmreceiver, process %d", os.Getpid())
	writeRecord(t, text)
	writeRecord(t, text)
	// The kernel sends one record to all before the next: when the second has
	// arrived at one listener, the first would have arrived at the other.
	for arrived := 0; arrived < 2; {
		require.NoError(t, users.Wait())
		overrun, err := users.conn.Drain(func(m netlink.Message) {
			assert.EqualValues(t, typeUser, m.Type)
			if bytes.HasSuffix(m.Data, []byte(" msg='"+text+"'")) {
				arrived++
			}
		})
		require.NoError(t, err)
		require.False(t, overrun)
	}
	_, err = ipsec.conn.Drain(func(m netlink.Message) {
		assert.EqualValues(t, typeIPsec, m.Type)
	})
	require.NoError(t, err)
}

func TestHandle(t *testing.T) {
	const text = stamp + "op=SA-notfound src=10.77.0.1 dst=10.77.0.2 spi=4096(0x1000) seqno=7"
	for _, test := range []struct {
		name  string
		m     netlink.Message
		drops int
		err   error
	}{
		{"a drop", netlink.Message{Type: typeIPsec, Data: []byte(text)}, 1, nil},
		{"no drop", netlink.Message{Type: typeIPsec, Data: []byte(stamp + "op=SAD-add res=1")}, 0, nil},
		{"malformed", netlink.Message{Type: typeIPsec, Data: []byte("op=SA-notfound")}, 0, ErrMalformed},
		{"another type", netlink.Message{Type: typeUser, Data: []byte(text)}, 0, nil},
		{"another type, malformed", netlink.Message{Type: typeUser}, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			drops := 0
			err := handle(test.m, func(Drop) { drops++ })
			require.ErrorIs(t, err, test.err)
			assert.Equal(t, test.drops, drops)
		})
	}
}

func TestCloseEndsWait(t *testing.T) {
	requireAudit(t)
	l, err := Listen(sockets{})
	require.NoError(t, err)
	ended := make(chan error)
	go func() {
		for {
			if err := l.Wait(); err != nil {
				ended <- err
				return
			}
			_, _ = l.Drain(func(Drop) {})
		}
	}()
	require.NoError(t, l.Close())
	require.Error(t, <-ended)
}

func TestGetStatus(t *testing.T) {
	requireAudit(t)
	s, err := GetStatus(t.Context(), sockets{})
	require.NoError(t, err)
	t.Logf("%+v", s)
}

// IsOn finds out what GetStatus is told.
func TestIsOn(t *testing.T) {
	requireAudit(t)
	s, err := GetStatus(t.Context(), sockets{})
	require.NoError(t, err)
	isOn, err := IsOn(t.Context(), sockets{})
	require.NoError(t, err)
	assert.Equal(t, s.Enabled, isOn)

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = IsOn(ended, sockets{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestHasRecord(t *testing.T) {
	requireAudit(t)
	for _, written := range []bool{false, true} {
		l, err := listen(sockets{}, typeUser, groupRecord)
		require.NoError(t, err)
		if written {
			writeRecord(t, "written by a test of xfrmreceiver")
		}
		assert.Equal(t, written, l.hasRecord(t.Context()))
		require.Error(t, l.Wait(), "it is closed")
	}
}

// What each capability and namespace permits, and what is said about the rest.
func TestRights(t *testing.T) {
	requireAudit(t)
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	inNew := func(flags uintptr) *syscall.SysProcAttr { return &syscall.SysProcAttr{Cloneflags: flags} }
	const ok = "<nil>"
	for _, test := range []struct {
		name           string
		attributes     *syscall.SysProcAttr
		listen, status string
		initial        bool
	}{
		{"root", &syscall.SysProcAttr{}, ok, ok, true},
		{
			"no capability",
			&syscall.SysProcAttr{Credential: nobody},
			ErrNotPermitted.Error(), ErrStatusNotPermitted.Error(), true,
		},
		{
			"CAP_AUDIT_READ",
			&syscall.SysProcAttr{Credential: nobody, AmbientCaps: []uintptr{unix.CAP_AUDIT_READ}},
			ok, ErrStatusNotPermitted.Error(), true,
		},
		{
			"CAP_AUDIT_CONTROL",
			&syscall.SysProcAttr{Credential: nobody, AmbientCaps: []uintptr{unix.CAP_AUDIT_CONTROL}},
			ErrNotPermitted.Error(), ok, true,
		},
		{
			"root of another user namespace",
			&syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{Size: 1}}, GidMappings: []syscall.SysProcIDMap{{Size: 1}},
			},
			ErrNotPermitted.Error(), ErrStatusNotPermitted.Error(), true,
		},
		{"another PID namespace", inNew(unix.CLONE_NEWPID), ok, ErrStatusNotPermitted.Error(), true},
		// Here the kernel accepts a listener, and delivers nothing.
		{"another network namespace", inNew(unix.CLONE_NEWNET), ok, ok, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := fmt.Sprintf("listen: %s\nstatus: %s\ninitial: %v\nleft: 0\n", test.listen, test.status, test.initial)
			assert.Equal(t, want, rightsOf(t, test.attributes))
		})
	}
}

// noProtocol is a kernel without audit.
type noProtocol struct{}

func (noProtocol) OpenSocket(int) (int, error) { return -1, netns.ErrNoProtocol }

func TestNoAudit(t *testing.T) {
	_, err := Listen(noProtocol{})
	require.ErrorIs(t, err, ErrNoAudit)
	_, err = GetStatus(t.Context(), noProtocol{})
	require.ErrorIs(t, err, ErrNoAudit)
	_, err = IsOn(t.Context(), noProtocol{})
	require.ErrorIs(t, err, ErrNoAudit)
}

// From 6.18 on, the kernel gives the initial network namespace a fixed number
// (NET_NS_INIT_INO in include/uapi/linux/nsfs.h). It must agree.
func TestHasInitialNamespace(t *testing.T) {
	const number uint32 = 0xeffffff9
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	if own == fmt.Sprintf("net:[%d]", number) {
		assert.True(t, HasInitialNamespace("/proc"))
	}
	other := t.TempDir()
	require.NoError(t, os.MkdirAll(other+"/sys/net/core", 0o700))
	assert.False(t, HasInitialNamespace(other))
	assert.True(t, HasInitialNamespace(t.TempDir()), "a proc mounted with subset=pid has no sys, and tells nothing")
}
