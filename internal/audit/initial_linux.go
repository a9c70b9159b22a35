// SPDX-License-Identifier: Apache-2.0

package audit

import "os"

// HasInitialNamespace reports whether this process is in the initial network
// namespace, the only one in which the kernel delivers audit records. proc is where
// proc is mounted.
func HasInitialNamespace(proc string) bool {
	// The kernel shows this file in the initial network namespace only
	// (net_core_table in net/core/sysctl_net_core.c). Numbers of namespaces tell
	// the same from 6.18 on only (NET_NS_INIT_INO).
	_, err := os.Stat(proc + "/sys/net/core/netdev_max_backlog")
	return err == nil
}
