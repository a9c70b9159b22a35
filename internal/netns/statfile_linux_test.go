// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestReadGrowsUpToTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	var r fileReader
	for _, size := range []int{1, 4095, 4096, 4097, 10_000, MaxFileSize, 3} {
		content := bytes.Repeat([]byte("x"), size)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		got, err := r.read(unix.AT_FDCWD, path)
		require.NoError(t, err)
		assert.Equal(t, content, got)
	}
	require.NoError(t, os.WriteFile(path, make([]byte, MaxFileSize+1), 0o600))
	_, err := r.read(unix.AT_FDCWD, path)
	require.ErrorIs(t, err, errTooLarge)
	assert.LessOrEqual(t, len(r.buf), MaxFileSize+1, "memory stays bounded")
}

func TestReadLeaksNoDescriptor(t *testing.T) {
	before := openDescriptors(t)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	var r fileReader
	for _, path := range []string{empty, dir, "/dev/zero", filepath.Join(dir, "missing")} {
		_, err := r.read(unix.AT_FDCWD, path)
		require.Error(t, err, path)
	}
	_, err := r.read(unix.AT_FDCWD, "/proc/self/status")
	require.NoError(t, err)
	assert.Equal(t, before, openDescriptors(t))
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}
