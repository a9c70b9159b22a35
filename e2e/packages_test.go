// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
)

// packageFile is the package of this machine's architecture.
func packageFile(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(release(t), pattern))
	require.NoError(t, err)
	if len(files) != 1 {
		skip(t, "needs what `make packages` makes: "+pattern)
	}
	return files[0]
}

// What both packages install, and with which mode.
var packaged = map[string]string{
	"/usr/bin/otelcol-xfrm":                          "-rwxr-xr-x",
	"/etc/otelcol-xfrm/config.yaml":                  "-rw-r--r--",
	"/usr/lib/systemd/system/otelcol-xfrm.service":   "-rw-r--r--",
	"/usr/share/otelcol-xfrm/named-namespaces.conf":  "-rw-r--r--",
	"/usr/share/otelcol-xfrm/to-gateway.conf":        "-rw-r--r--",
	"/usr/share/otelcol-xfrm/to-gateway-group.conf":  "-rw-r--r--",
	"/usr/share/otelcol-xfrm/causes.conf":            "-rw-r--r--",
	"/usr/share/otelcol-xfrm/config/causes.yaml":     "-rw-r--r--",
	"/usr/share/otelcol-xfrm/tunnels.conf":           "-rw-r--r--",
	"/usr/share/otelcol-xfrm/tunnels-processes.conf": "-rw-r--r--",
	"/usr/share/otelcol-xfrm/config/tunnels.yaml":    "-rw-r--r--",
	"/usr/share/otelcol-xfrm/alerts.yaml":            "-rw-r--r--",
	"/usr/share/otelcol-xfrm/dashboard.json":         "-rw-r--r--",
	"/usr/share/otelcol-xfrm/tunnels.json":           "-rw-r--r--",
	"/usr/share/otelcol-xfrm/config/processes.yaml":  "-rw-r--r--",
	"/usr/share/otelcol-xfrm/config/gateway.yaml":    "-rw-r--r--",
	"/usr/share/otelcol-xfrm/config/kubernetes.yaml": "-rw-r--r--",
	"/usr/share/doc/otelcol-xfrm/copyright":          "-rw-r--r--",
}

// The deb installs, its collector runs with its configuration, a changed
// configuration outlives an update, and what it installed goes with it.
func TestDeb(t *testing.T) {
	requireRoot(t)
	need.Tool(t, "dpkg", "dpkg")
	deb := packageFile(t, "*_"+runtime.GOARCH+".deb")
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "var/lib/dpkg/updates"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "var/lib/dpkg/info"), 0o755))
	for _, file := range []string{"status", "available"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "var/lib/dpkg", file), nil, 0o600))
	}
	dpkg := func(args ...string) {
		t.Helper()
		// Chrootless: there is no shell in the root.
		out, err := exec.Command("dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-confold", "--log=/dev/null"}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	dpkg("--install", deb)
	for file, mode := range packaged {
		info, err := os.Stat(filepath.Join(root, file))
		if assert.NoError(t, err) {
			assert.Equal(t, mode, info.Mode().String(), file)
		}
	}
	folder, err := os.Stat(filepath.Join(root, "usr/share/otelcol-xfrm/config"))
	require.NoError(t, err)
	assert.Equal(t, "drwxr-xr-x", folder.Mode().String())
	config := filepath.Join(root, "etc/otelcol-xfrm/config.yaml")
	out, err := exec.Command(filepath.Join(root, "usr/bin/otelcol-xfrm"), "validate", "--config", config).CombinedOutput()
	require.NoError(t, err, "%s", out)

	const mine = "# mine\n"
	require.NoError(t, os.WriteFile(config, []byte(mine), 0o600))
	dpkg("--install", deb)
	content, err := os.ReadFile(config)
	require.NoError(t, err)
	assert.Equal(t, mine, string(content))
	dpkg("--purge", "otelcol-xfrm")
	for file := range packaged {
		assert.NoFileExists(t, filepath.Join(root, file))
	}
}

// The rpm holds the same.
func TestRPM(t *testing.T) {
	need.Tool(t, "rpm", "rpm")
	file := packageFile(t, "*."+map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "arm": "armv7hl"}[runtime.GOARCH]+".rpm")
	out, err := exec.Command("rpm", "-q", "--dbpath", t.TempDir(), "--nosignature", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", "-p", file).Output()
	require.NoError(t, err)
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		mode, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = mode
	}
	for name, mode := range packaged {
		assert.Equal(t, mode, got[name], name)
	}
	out, err = exec.Command("rpm", "-q", "--dbpath", t.TempDir(), "--nosignature", "--configfiles", "-p", file).Output()
	require.NoError(t, err)
	assert.Equal(t, "/etc/otelcol-xfrm/config.yaml\n", string(out))
}
