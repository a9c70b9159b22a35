// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"testing"

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
			assert.Equal(t, ticks(12345), start)
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

// In a time namespace proc shows starts before the zero of its clock as huge
// numbers. They sort before all others.
func TestParseProcessStartInATimeNamespace(t *testing.T) {
	for text, want := range map[string]ticks{
		"922337203685":  922337203685 - 1844674407370, // -2^63 ns
		"1844674407369": -1,
		"1844674407270": -100,
		"922337203684":  922337203684, // the largest that is not negative
	} {
		start, err := parseProcessStart([]byte("42 (sleep) S 1 2 3 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 " + text + " 1\n"))
		require.NoError(t, err)
		assert.Equal(t, want, start, text)
	}
}
