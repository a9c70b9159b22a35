// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"bytes"
	"strconv"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// groupOwn is a group to which the kernel sends nothing: those of NETLINK_XFRM end
// at 8, and a socket may join up to 32. Membership marks the sockets of this
// receiver, in all its instances and all collectors. Otherwise two of them would
// each take the other for an IKE daemon, and stay in the group ACQUIRE for ever.
const groupOwn = 32

// hasOtherMember reports whether /proc/net/netlink (netlink_native_seq_show in
// net/netlink/af_netlink.c) lists a socket of NETLINK_XFRM that is a member of the
// group ACQUIRE and not one of this receiver.
func hasOtherMember(table []byte) bool {
	const (
		protocolColumn = 1
		groupsColumn   = 3
		protocolXFRM   = "6" // NETLINK_XFRM
		acquire        = 1 << (xfrmnl.GroupAcquire - 1)
		own            = 1 << (groupOwn - 1)
	)
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) <= groupsColumn || string(fields[protocolColumn]) != protocolXFRM {
			continue
		}
		groups, err := strconv.ParseUint(string(fields[groupsColumn]), 16, 32)
		if err == nil && groups&acquire != 0 && groups&own == 0 {
			return true
		}
	}
	return false
}
