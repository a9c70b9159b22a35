// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
)

// sockets are those of the namespace of the test. They are noted.
type sockets struct {
	// broken are the protocols that cannot be opened.
	broken map[int]error
	opened []int
}

var errBroken = errors.New("broken")

func (s *sockets) OpenSocket(protocol int) (int, error) {
	if err := s.broken[protocol]; err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	s.opened = append(s.opened, fd)
	return fd, err
}

// enter moves the test into a namespace of its own, which has XFRM.
func enter(t *testing.T) *sockets {
	t.Helper()
	netlinktest.Enter(t)
	_ = unix.Close(netlinktest.Socket(t, unix.NETLINK_XFRM)) // skips without
	// The first descriptor brings others of Go's own.
	host := NewHost(context.Background(), &sockets{})
	require.NoError(t, host.Open())
	host.Close()
	return &sockets{}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// groups are the groups of all sockets of NETLINK_XFRM in the namespace of the test,
// the kernel's own left out.
func groups(t *testing.T) (all []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/net/netlink")
	require.NoError(t, err)
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[1] == "6" && fields[2] != "0" {
			all = append(all, fields[3])
		}
	}
	return all
}

// dropCapabilities takes all from the thread, which ends with the test.
func dropCapabilities(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	require.NoError(t, unix.Capset(&header, &none[0]))
}

// The messages of an association from 198.51.100.2 to 192.0.2.1 with SPI 1, which
// has an algorithm. This machine's kernel may not have one.
const (
	newSA   = 0x10
	delSA   = 0x11
	expire  = 0x18
	updSA   = 0x1a
	flushSA = 0x1c
)

func info(packets uint64) []byte {
	b := make([]byte, netlinktest.SizeSAInfo)
	copy(b[56:], []byte{192, 0, 2, 1})
	binary.BigEndian.PutUint32(b[72:], 1)
	b[76] = unix.IPPROTO_ESP
	copy(b[80:], []byte{198, 51, 100, 2})
	binary.NativeEndian.PutUint64(b[168:], packets)
	binary.NativeEndian.PutUint32(b[208:], 7)
	binary.NativeEndian.PutUint16(b[212:], unix.AF_INET)
	b[214] = 1
	return b
}

func withAlgorithm(b []byte) []byte {
	const algAEAD = 18
	return netlink.AppendAttribute(b, algAEAD, make([]byte, 92))
}

func added(kind uint16, packets uint64) netlink.Message {
	return netlink.Message{Type: kind, Data: withAlgorithm(info(packets))}
}

func deleted(packets uint64) netlink.Message {
	const attrSA = 6
	return netlink.Message{Type: delSA, Data: netlink.AppendAttribute(withAlgorithm(make([]byte, 24)), attrSA, info(packets))}
}

func expired(packets uint64, hard byte) netlink.Message {
	const padding = unsafe.Alignof(uint64(0)) - 1
	return netlink.Message{Type: expire, Data: append(append(info(packets), hard), make([]byte, padding)...)}
}

func flushed() netlink.Message { return netlink.Message{Type: flushSA, Data: make([]byte, 4)} }
