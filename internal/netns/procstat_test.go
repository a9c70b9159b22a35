package netns

import (
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
