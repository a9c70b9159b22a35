// SPDX-License-Identifier: Apache-2.0

// Package xfrmstat parses the Linux kernel's IPsec (XFRM) transformation
// statistics, the text of /proc/net/xfrm_stat, and says of each counter which
// way the packets went and why they were dropped.
//
// The kernel prints one line for each counter, "%-24s\t%lu\n", from
// xfrm_mib_list in net/xfrm/xfrm_proc.c; Documentation/networking/xfrm_proc.rst
// says what they mean. The package does no I/O.
package xfrmstat
