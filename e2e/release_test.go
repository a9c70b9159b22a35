// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// release is the folder with what `make release` made.
func release(t *testing.T) string {
	t.Helper()
	dist, err := filepath.Abs(filepath.Join("..", "dist"))
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(dist, "SHA256SUMS")); err != nil {
		skip(t, "needs what `make release` makes: "+err.Error())
	}
	return dist
}

// The binaries are for what they say, static and stripped, and the one for this
// machine tells the version of the manifest.
func TestRelease(t *testing.T) {
	dist := release(t)
	sums, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	require.NoError(t, err)
	manifest, err := os.ReadFile(filepath.Join("..", "distribution", "manifest.yaml"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^  version: (\S+)$`).FindStringSubmatch(string(manifest))[1]
	for architecture, machine := range map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "386": elf.EM_386,
	} {
		t.Run(architecture, func(t *testing.T) {
			assert.Contains(t, string(sums), "otelcol-xfrm_"+version+"_linux_"+architecture+".tar.gz\n")
			path := filepath.Join(dist, "linux", architecture, "otelcol-xfrm")
			file, err := elf.Open(path)
			require.NoError(t, err)
			defer func() { _ = file.Close() }()
			assert.Equal(t, machine, file.Machine)
			for _, program := range file.Progs {
				assert.NotEqual(t, elf.PT_INTERP, program.Type, "it is not static")
			}
			assert.Nil(t, file.Section(".symtab"), "it is not stripped")
			if architecture == runtime.GOARCH || architecture == "386" && runtime.GOARCH == "amd64" {
				out, err := exec.Command(path, "--version").Output()
				require.NoError(t, err)
				assert.Equal(t, "otelcol-xfrm version "+version+"\n", string(out))
			}
		})
	}
}

// Another folder and another umask give the same bytes.
func TestReleaseIsReproducible(t *testing.T) {
	dist := release(t)
	elsewhere := t.TempDir()
	script := `umask 077; git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$1" && cp -r distribution/build "$1/distribution" && cd "$1" && distribution/release.sh`
	cmd := exec.Command("bash", "-c", script, "bash", elsewhere)
	cmd.Dir = ".."
	epoch, err := os.ReadFile(filepath.Join(dist, "SOURCE_DATE_EPOCH"))
	require.NoError(t, err)
	cmd.Env = append(os.Environ(), "ARCHITECTURES="+runtime.GOARCH, "SOURCE_DATE_EPOCH="+strings.TrimSpace(string(epoch)))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	sum, err := os.ReadFile(filepath.Join(elsewhere, "dist", "SHA256SUMS"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
	require.NoError(t, err)
	assert.Contains(t, string(sums), string(sum))
}
