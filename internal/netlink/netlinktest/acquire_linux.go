// SPDX-License-Identifier: Apache-2.0

package netlinktest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Sysctl sets a value below net, for example core/xfrm_acq_expires, in the namespace
// of the test.
func Sysctl(tb testing.TB, name, value string) {
	tb.Helper()
	require.NoError(tb, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0))
}

// RequireAssociations makes a policy whose packets wait for an association, for a
// second. It returns a function that sends one from 192.0.2.1 to a host in
// 198.51.100.0/24.
func RequireAssociations(tb testing.TB) (send func(host byte)) {
	tb.Helper()
	Sysctl(tb, "core/xfrm_acq_expires", "1")
	MustIP(tb, "link set lo up")
	MustIP(tb, "address add 192.0.2.1/24 dev lo")
	MustIP(tb, "route add 198.51.100.0/24 dev lo")
	Sysctl(tb, "ipv4/conf/lo/disable_xfrm", "0")
	MustIP(tb, "xfrm policy add dst 198.51.100.0/24 dir out tmpl src 192.0.2.1 dst 198.51.100.99 proto esp reqid 77 mode tunnel")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = unix.Close(fd) })
	require.NoError(tb, unix.Bind(fd, &unix.SockaddrInet4{Port: 4444, Addr: [4]byte{192, 0, 2, 1}}))
	return func(host byte) {
		_ = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 5555, Addr: [4]byte{198, 51, 100, host}})
	}
}

// JoinAcquires makes a socket a member of the group ACQUIRE, as an IKE daemon's is.
func JoinAcquires(tb testing.TB) (leave func()) {
	tb.Helper()
	const acquire = 1 // 1 << (XFRMNLGRP_ACQUIRE - 1)
	fd := Socket(tb, unix.NETLINK_XFRM)
	require.NoError(tb, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: acquire}))
	return func() { _ = unix.Close(fd) }
}
