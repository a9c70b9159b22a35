package netns

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseProcessStart(t *testing.T) {
	const rest = " S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2 3\n"
	for name, stat := range map[string]string{
		"plain":            "42 (sleep)" + rest,
		"parenthesis":      "42 (a) b)" + rest,
		"looks like field": "42 (x) S 1 2 (y)" + rest,
	} {
		t.Run(name, func(t *testing.T) {
			start, err := parseProcessStart([]byte(stat))
			require.NoError(t, err)
			assert.Equal(t, 123450*time.Millisecond, start)
		})
	}
	for name, stat := range map[string]string{
		"empty":      "",
		"no command": "42 sleep S 1",
		"too short":  "42 (sleep) S 1 2 3",
		"no number":  "42 (sleep) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 x 1 2 3",
		"negative":   "42 (sleep) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 -1 1 2 3",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseProcessStart([]byte(stat))
			require.Error(t, err)
		})
	}
}

func TestProcessStartOfAChild(t *testing.T) {
	before := time.Now()
	child := exec.Command("sleep", "60")
	require.NoError(t, child.Start())
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	boot, err := bootTime()
	require.NoError(t, err)
	start, err := processStart("/proc", child.Process.Pid)
	require.NoError(t, err)
	// The kernel cuts to ticks of 10 ms.
	assert.WithinDuration(t, before, boot.Add(start), 2*time.Second)

	_, err = processStart("/proc", 1<<30)
	require.ErrorIs(t, err, os.ErrNotExist)
}
