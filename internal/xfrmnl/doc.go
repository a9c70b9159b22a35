// SPDX-License-Identifier: Apache-2.0

// Package xfrmnl turns the messages of NETLINK_XFRM into Go values
// (include/uapi/linux/xfrm.h, net/xfrm/xfrm_user.c).
//
// Messages about security associations contain keys. No value that this package
// returns does, and no error quotes a message.
package xfrmnl
