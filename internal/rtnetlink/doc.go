// SPDX-License-Identifier: Apache-2.0

// Package rtnetlink asks NETLINK_ROUTE for the addresses and the IPsec interfaces
// of a network namespace (rtnetlink(7)). That needs no capability.
package rtnetlink
