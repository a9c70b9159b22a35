// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/provoke"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// The daemons, and what their commands and the runbook's need.
var (
	strongSwanPackages = []string{"strongswan-charon", "strongswan-swanctl", "iproute2"}
	libreswanPackages  = []string{"libreswan", "libnss3-tools", "busybox-static", "iproute2"}
)

// strongSwan adds its programs to the initramfs.
func (g *guest) strongSwan(tree string) {
	g.t.Helper()
	programs := []string{tunnel.Charon, tunnel.Swanctl}
	for _, plugin := range tunnel.Plugins {
		programs = append(programs, filepath.Join(tunnel.PluginDir, "libstrongswan-"+plugin+".so"))
	}
	g.daemon(tree, programs)
}

// libreswan adds its programs, the libraries that NSS loads by itself, and a shell
// for its scripts.
func (g *guest) libreswan(tree string) {
	g.t.Helper()
	g.daemon(tree, []string{tunnel.Pluto, tunnel.Whack, tunnel.AddConn, tunnel.Certutil},
		"libsoftokn3.so", "libfreebl3.so", "libfreeblpriv3.so")
	for _, script := range tunnel.Scripts {
		g.files.Program(script, filepath.Join(tree, script))
	}
	g.files.Program("/bin/busybox", filepath.Join(tree, "bin", "busybox"))
	for _, name := range []string{"sh", "grep"} {
		g.files.Link("/bin/"+name, "busybox")
	}
}

func (g *guest) daemon(tree string, programs []string, libraries ...string) {
	g.t.Helper()
	for _, program := range programs {
		require.NoError(g.t, g.files.Linked(program, tree, filepath.Join(tree, program)))
	}
	require.NoError(g.t, g.files.Linked(provoke.IP, tree, filepath.Join(tree, "bin", "ip")))
	// The C library loads libgcc_s when a thread is cancelled.
	for _, library := range append(libraries, "libgcc_s.so.1") {
		require.NoError(g.t, g.files.Library(tree, library))
	}
	g.files.Link("/var/run", "/run")
}

// counted says in words what counted.
func counted(names map[string]string, counters report.Counters) string {
	if len(counters) == 0 {
		return "none"
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		all = append(all, fmt.Sprintf("`%s` (%s) +%d", names[name], name, counters[name]))
	}
	return strings.Join(all, ", ")
}
