// SPDX-License-Identifier: Apache-2.0

// Package netns finds network namespaces, reads /proc/net/xfrm_stat in each, and
// opens netlink sockets there.
//
// It knows which namespaces exist and what identifies each of them. It knows
// nothing about the content of the files. It works on Linux only; elsewhere
// NewSource fails.
package netns
