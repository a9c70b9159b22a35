// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// attachFilter lets the kernel drop all messages to a socket but those of one type.
// It passes and drops whole messages only: a filter that cuts a multicast message
// cuts it for other listeners, too.
func attachFilter(fd int, messageType uint16) error {
	const (
		wholeMessage = 0xffffffff
		typeOffset   = 4 // nlmsg_type in struct nlmsghdr
	)
	// The type is in the byte order of the host; the filter loads it as big-endian.
	bigEndian := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, messageType))
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: typeOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(bigEndian), Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: wholeMessage},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		return fmt.Errorf("setsockopt(SO_ATTACH_FILTER): %w", err)
	}
	return nil
}
