// SPDX-License-Identifier: Apache-2.0

//go:build benchmarks

package kernels

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/initramfs"
)

// TestBenchmarks is the part of `make bench` that needs a kernel with ESP: it runs
// the program that BENCHMARKS names in a guest, and writes what it printed to the
// file that BENCHMARKS_OUTPUT names.
func TestBenchmarks(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64", "qemu-system-x86")
	need.Tool(t, "xz", "xz-utils")
	need.Tool(t, "apt-get", "apt")
	need.Tool(t, "dpkg-deb", "dpkg")
	benchmarks := need.Program(t, "BENCHMARKS", "bench")
	cache := openCache(t)
	releases, err := cache.Releases("6.12")
	require.NoError(t, err)
	tree, err := cache.Tree("iproute2")
	require.NoError(t, err)
	g := &guest{t: t, dir: t.TempDir()}
	g.kernel, err = cache.Kernel(releases[0])
	require.NoError(t, err)
	g.files, err = initramfs.Create(filepath.Join(g.dir, "initramfs"))
	require.NoError(t, err)
	g.files.Program("/init", buildInit(t))
	g.files.Program("/bin/benchmarks", benchmarks)
	require.NoError(t, g.files.Linked("/bin/ip", tree, filepath.Join(tree, "bin", "ip")))
	g.modules("gcm", "ghash_generic", "ctr", "seqiv")
	var printed string
	for _, line := range g.run("benchmarks", 15*time.Minute) {
		if line.Note != "" {
			printed = line.Note
		}
	}
	require.NoError(t, os.WriteFile(os.Getenv("BENCHMARKS_OUTPUT"), []byte(printed), 0o600))
}
