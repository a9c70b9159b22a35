// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// A tunnel that strongSwan built with IKEv2 counts nothing; the mistakes that
// operators make show under the reasons that the documentation names, packet by
// packet.
func TestStrongSwan(t *testing.T) {
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases("6.12")
	require.NoError(t, err)
	tree, err := cache.Tree("strongswan-charon", "strongswan-swanctl")
	require.NoError(t, err)
	names := documentedNames(t)
	guest := newGuest(t, cache, releases[0])
	guest.modules()
	guest.strongSwan(tree)
	steps := guest.boot("mistakes", 5*time.Minute)

	var rows strings.Builder
	for i, mistake := range tunnel.Mistakes() {
		t.Run(mistake.Name, func(t *testing.T) {
			require.Greater(t, len(steps), i, "the guest did not come to it")
			require.Equal(t, mistake.Name, steps[i].Name)
			requireStep(t, names, steps[i], mistake.Expect)
			fmt.Fprintf(&rows, "| %s | %s |\n", mistake.Name, counted(names, mistake.Expect))
		})
	}
	verification(t, os.O_APPEND, "\n### strongSwan\n\n"+
		"Two charons in two network namespaces of "+releases[0]+" build an ESP tunnel with IKEv2 and a shared secret. 10\n"+
		"packets are sent under each mistake; the collector runs at the side that counts.\n\n"+
		"| mistake | counters seen |\n|---|---|\n"+rows.String())
}

// strongSwan adds its programs to the initramfs.
func (g *guest) strongSwan(tree string) {
	g.t.Helper()
	programs := []string{tunnel.Charon, tunnel.Swanctl}
	for _, plugin := range tunnel.Plugins {
		programs = append(programs, filepath.Join(tunnel.PluginDir, "libstrongswan-"+plugin+".so"))
	}
	g.daemon(tree, programs)
}

// libreswan adds its programs, and the libraries that NSS loads by itself.
func (g *guest) libreswan(tree string) {
	g.t.Helper()
	g.daemon(tree, []string{tunnel.Pluto, tunnel.Whack, tunnel.AddConn, tunnel.Certutil},
		"libsoftokn3.so", "libfreebl3.so", "libfreeblpriv3.so")
}

func (g *guest) daemon(tree string, programs []string, libraries ...string) {
	g.t.Helper()
	for _, program := range programs {
		require.NoError(g.t, g.files.Linked(program, tree, filepath.Join(tree, program)))
	}
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
