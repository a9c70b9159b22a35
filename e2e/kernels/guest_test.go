// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/archive"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/initramfs"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/machine"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// requireTools skips where the host lacks a program.
func requireTools(t *testing.T) {
	t.Helper()
	need.Program(t, "OTELCOL_XFRM", "e2e-kernels")
	need.Program(t, "PROMETHEUS", "e2e-kernels")
	need.Tool(t, "qemu-system-x86_64", "qemu-system-x86")
	need.Tool(t, "xz", "xz-utils")
	need.Tool(t, "apt-get", "apt")
	need.Tool(t, "dpkg-deb", "dpkg")
}

func openCache(t *testing.T) *archive.Cache {
	t.Helper()
	cache, err := archive.Open()
	require.NoError(t, err)
	return cache
}

// guest is a virtual machine in the making.
type guest struct {
	t      *testing.T
	kernel archive.Kernel
	dir    string
	files  *initramfs.Writer
	// parameters are the kernel's.
	parameters string
}

// newGuest gets a kernel and begins an initramfs with what every guest needs.
func newGuest(t *testing.T, cache *archive.Cache, release string) *guest {
	t.Helper()
	collector := need.Program(t, "OTELCOL_XFRM", "e2e-kernels")
	prometheus := need.Program(t, "PROMETHEUS", "e2e-kernels")
	kernel, err := cache.Kernel(release)
	require.NoError(t, err)
	g := &guest{t: t, kernel: kernel, dir: t.TempDir()}
	g.files, err = initramfs.Create(filepath.Join(g.dir, "initramfs"))
	require.NoError(t, err)
	g.files.Program("/init", buildInit(t))
	g.files.Program("/bin/otelcol-xfrm", collector)
	require.NoError(t, g.files.Linked("/bin/prometheus", "/", prometheus))
	return g
}

// buildInit compiles the guest's program without libc.
func buildInit(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "init")
	build := exec.Command("go", "build", "-o", path, "./guest")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// modules are what XFRM, the network and the ciphers need. A name that a kernel
// does not have as a module is built in, or has become a part of another: since
// 6.18 SHA-256 is, since 7.3 AES.
var modules = []string{
	"xfrm_user", "esp4", "ah4", "veth", "tun",
	"sha256_generic", "hmac", "aes_generic", "aesni_intel", "cbc", "authenc", "authencesn", "echainiv",
	// echainiv draws random numbers.
	"sha512_generic", "sha3_generic", "drbg", "jitterentropy_rng",
}

// modules adds them to the initramfs, and more.
func (g *guest) modules(more ...string) {
	g.t.Helper()
	missing, err := g.files.Modules(g.kernel.Modules, append(slices.Clone(modules), more...))
	require.NoError(g.t, err)
	if len(missing) > 0 {
		g.t.Logf("%s has no modules %v", g.kernel.Release, missing)
	}
}

// boot runs the guest and returns what it did.
func (g *guest) boot(arg string, limit time.Duration) []*report.Step {
	g.t.Helper()
	var steps []*report.Step
	for _, line := range g.run(arg, limit) {
		if line.Step != nil {
			steps = append(steps, line.Step)
		}
	}
	return steps
}

// run runs the guest and returns its report.
func (g *guest) run(arg string, limit time.Duration) []report.Line {
	g.t.Helper()
	require.NoError(g.t, g.files.Close())
	begin := time.Now()
	result, err := machine.Boot(g.dir, machine.Guest{
		Kernel: g.kernel.Image, Initramfs: filepath.Join(g.dir, "initramfs"), Arg: arg, Parameters: g.parameters, Timeout: limit,
	})
	g.t.Logf("%s ran for %.0f s", g.kernel.Release, time.Since(begin).Seconds())
	for _, line := range result.Lines {
		switch {
		case line.Release != "":
			assert.Equal(g.t, g.kernel.Release, line.Release)
		case line.Note != "":
			g.t.Log("guest: ", line.Note)
		case line.Error != "":
			assert.Fail(g.t, "the guest failed", line.Error)
		}
	}
	if err != nil || g.t.Failed() {
		g.t.Log("console:\n", result.Console)
	}
	require.NoError(g.t, err)
	return result.Lines
}
