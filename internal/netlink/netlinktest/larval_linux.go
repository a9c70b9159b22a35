// SPDX-License-Identifier: Apache-2.0

package netlinktest

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// SizeSAInfo is the size of struct xfrm_usersa_info, which ends where the u64 in it
// are aligned.
const SizeSAInfo = 216 + unsafe.Alignof(uint64(0))

// AddLarval adds larval associations of ESP by XFRM_MSG_ALLOCSPI, which needs no
// algorithm: from 192.0.2.1 to 10.0.0.0 and up, of SPI 1000 and up.
func AddLarval(tb testing.TB, count int) {
	tb.Helper()
	fd := Socket(tb, unix.NETLINK_XFRM)
	defer unix.Close(fd)
	answer := make([]byte, 4096)
	for i := range count {
		require.NoError(tb, unix.Sendto(fd, allocSPI(uint32(i)), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
		n, _, err := unix.Recvfrom(fd, answer, 0)
		require.NoError(tb, err)
		require.GreaterOrEqual(tb, n, 20)
		const newSA = 0x10
		require.Equal(tb, uint16(newSA), binary.NativeEndian.Uint16(answer[4:]),
			"errno %d", -int32(binary.NativeEndian.Uint32(answer[16:])))
	}
}

func allocSPI(i uint32) []byte {
	const (
		header    = 16
		msgAlloc  = 0x16
		firstSPI  = 1000
		firstAddr = 10 << 24
	)
	m := make([]byte, header+SizeSAInfo+8)
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	binary.NativeEndian.PutUint16(m[4:], msgAlloc)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST)
	info := m[header:]
	binary.BigEndian.PutUint32(info[56:], firstAddr+i)
	info[76] = unix.IPPROTO_ESP
	copy(info[80:], []byte{192, 0, 2, 1})
	binary.NativeEndian.PutUint32(info[208:], 7) // reqid
	binary.NativeEndian.PutUint16(info[212:], unix.AF_INET)
	info[214] = 1 // XFRM_MODE_TUNNEL
	binary.NativeEndian.PutUint32(info[SizeSAInfo:], firstSPI+i)
	binary.NativeEndian.PutUint32(info[SizeSAInfo+4:], firstSPI+i)
	return m
}
