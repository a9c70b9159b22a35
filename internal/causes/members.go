// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"bytes"
	"strconv"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// hasOtherMember reports whether /proc/net/netlink (netlink_seq_show in
// net/netlink/af_netlink.c) lists a socket of NETLINK_XFRM that is a member of the
// group ACQUIRE, and is not the one with this port.
func hasOtherMember(table []byte, port uint32) bool {
	const (
		protocolColumn = 1
		portColumn     = 2
		groupsColumn   = 3
		protocolXFRM   = "6" // NETLINK_XFRM
	)
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) <= groupsColumn || string(fields[protocolColumn]) != protocolXFRM {
			continue
		}
		// Ports that the kernel chose for further sockets of a process are
		// negative numbers, printed as unsigned ones.
		own, err := strconv.ParseUint(string(fields[portColumn]), 10, 32)
		if err == nil && uint32(own) == port {
			continue
		}
		groups, err := strconv.ParseUint(string(fields[groupsColumn]), 16, 64)
		if err == nil && groups&(1<<(xfrmnl.GroupAcquire-1)) != 0 {
			return true
		}
	}
	return false
}
