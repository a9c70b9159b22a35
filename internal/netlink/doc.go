// SPDX-License-Identifier: Apache-2.0

// Package netlink reads and writes the messages of netlink sockets: headers and
// attributes (RFC 3549, include/uapi/linux/netlink.h). What messages contain may be
// secret. No error quotes it, and the buffer is cleared after each read.
package netlink
