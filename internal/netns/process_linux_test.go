// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProcessStartOfAChild(t *testing.T) {
	before := time.Now()
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	h, err := openHost("", "/proc")
	require.NoError(t, err)
	defer h.close()
	up, err := now()
	require.NoError(t, err)
	start, ok := h.start(child.Process.Pid)
	require.True(t, ok)
	assert.WithinDuration(t, before, time.Now().Add(time.Duration(start-up)*time.Second/ticksPerSecond), 2*time.Second)

	_, ok = h.start(1 << 30)
	assert.False(t, ok)
}
