// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newCgroup makes a cgroup of version 2 that ends with the test, with all that was
// made below it.
func newCgroup(t *testing.T, name string) (group string) {
	t.Helper()
	root := t.TempDir()
	if out, err := exec.Command("mount", "-t", "cgroup2", "none", root).CombinedOutput(); err != nil {
		skip(t, "needs to mount a cgroup2 file system: "+string(out))
	}
	t.Cleanup(func() { assert.NoError(t, exec.Command("umount", root).Run()) })
	group = filepath.Join(root, name)
	require.NoError(t, os.Mkdir(group, 0o755))
	// Its processes can still be dying.
	t.Cleanup(func() { eventually(t, "the cgroup is empty", func() bool { return removeCgroups(group) == nil }) })
	return group
}

// removeCgroups removes a cgroup and those below it, the deepest first.
func removeCgroups(group string) error {
	var all []string
	err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			all = append(all, path)
		}
		return err
	})
	for _, path := range slices.Backward(all) {
		if err == nil {
			err = os.Remove(path)
		}
	}
	return err
}
