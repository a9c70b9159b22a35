// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
)

// systemdRoot is a root file system with the unit installed, and the drop-ins, which
// apply in this order.
func systemdRoot(t *testing.T, dropIns ...string) string {
	t.Helper()
	need.Tool(t, "systemd-analyze", "systemd")
	root := t.TempDir()
	install := func(from, to string) {
		content, err := os.ReadFile(filepath.Join("..", "distribution", "systemd", from))
		require.NoError(t, err)
		to = filepath.Join(root, to)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, content, 0o600))
	}
	install("otelcol-xfrm.service", "etc/systemd/system/otelcol-xfrm.service")
	for i, dropIn := range dropIns {
		install(dropIn, fmt.Sprintf("etc/systemd/system/otelcol-xfrm.service.d/%d-%s", i, dropIn))
	}
	for _, file := range []string{"usr/bin/otelcol-xfrm", "bin/kill"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, file), nil, 0o755))
	}
	// The targets that it names.
	for _, target := range []string{"network-online.target", "multi-user.target", "basic.target", "sysinit.target", "shutdown.target", "system.slice"} {
		path := filepath.Join(root, "usr/lib/systemd/system", target)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		content := "[Unit]\nDescription=stand-in\nDefaultDependencies=no\n"
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

// systemd finds no fault with the unit, and rates its exposure: 0 is none, 10 all.
func TestSystemdUnit(t *testing.T) {
	for name, test := range map[string]struct {
		dropIns []string
		// tenths is the most that it may be, with some room for other versions of
		// systemd; docs/install.md states what was seen.
		tenths int
	}{
		"as it is shipped":                      {nil, 18},
		"with the drop-in for named namespaces": {[]string{"named-namespaces.conf"}, 22},
		"with the drop-in for a gateway":        {[]string{"to-gateway.conf"}, 18},
		"with the one for older versions":       {[]string{"to-gateway-group.conf"}, 18},
		"with the drop-in for tunnels":          {[]string{"tunnels.conf"}, 21},
		"with both for tunnels":                 {[]string{"tunnels.conf", "tunnels-processes.conf"}, 27},
		"with the drop-in for causes":           {[]string{"causes.conf"}, 22},
	} {
		t.Run(name, func(t *testing.T) {
			root := systemdRoot(t, test.dropIns...)
			out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--root="+root, "otelcol-xfrm.service").CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.NotContains(t, string(out), "otelcol-xfrm.service", "a warning")

			out, err = exec.Command("systemd-analyze", "security", "--offline=yes", "--root="+root, "--no-pager",
				"--threshold="+strconv.Itoa(test.tenths), "otelcol-xfrm.service").CombinedOutput()
			require.NoError(t, err, "%s", out)
			exposure := regexp.MustCompile(`Overall exposure level .*`).FindString(string(out))
			require.NotEmpty(t, exposure)
			t.Log(exposure)
		})
	}
}
