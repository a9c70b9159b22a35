// SPDX-License-Identifier: Apache-2.0

// Package audit reads what the kernel's audit subsystem records about packets that
// IPsec dropped: records of type 1415 (AUDIT_MAC_IPSEC_EVENT). For packets without an
// association, nothing else names the sender.
//
// Records of other types contain command lines, and those can contain keys. They are
// dropped in the kernel, unread.
package audit
