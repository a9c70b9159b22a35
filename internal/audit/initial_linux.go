// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"io/fs"
	"os"
)

// HasInitialNamespace reports whether this process is in the initial network
// namespace, the only one in which the kernel delivers audit records. proc is where
// proc is mounted. Where proc does not tell (it is mounted with subset=pid), it
// returns true.
func HasInitialNamespace(proc string) bool {
	const directory = "/sys/net/core"
	if _, err := os.Stat(proc + directory); err != nil {
		return true
	}
	// The kernel shows this file in the initial network namespace only
	// (net_core_table in net/core/sysctl_net_core.c). Numbers of namespaces tell
	// the same from 6.18 on only (NET_NS_INIT_INO).
	_, err := os.Stat(proc + directory + "/netdev_max_backlog")
	return !errors.Is(err, fs.ErrNotExist)
}
