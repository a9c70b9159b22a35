// SPDX-License-Identifier: Apache-2.0

package netlink

// bufferSize is more than the kernel puts into one datagram of a dump: at most
// 32 KiB (netlink_dump in net/netlink/af_netlink.c).
const bufferSize = 64 << 10

// Buffer receives what is read. What a read leaves in it is cleared before the
// next, and before the caller goes on. It is not safe for concurrent use.
type Buffer struct {
	data []byte
}

// NewBuffer returns a Buffer for one or several Conns that do not read at the same
// time.
func NewBuffer() *Buffer { return &Buffer{make([]byte, bufferSize)} }
