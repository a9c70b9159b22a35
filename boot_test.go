// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseBootTime(t *testing.T) {
	const stat = "cpu  1 2 3\nintr 5\nbtime 1795000000\nprocesses 7\n"
	for name, tt := range map[string]struct {
		offsets string
		want    int64
	}{
		"no time namespaces":    {"", 1795000000},
		"initial":               {"monotonic           0         0\nboottime            0         0\n", 1795000000},
		"shifted":               {"monotonic           5         0\nboottime         1000         0\n", 1795001000},
		"shifted the other way": {"monotonic           5         0\nboottime        -1000 500000000\n", 1794999000},
	} {
		t.Run(name, func(t *testing.T) {
			boot, err := parseBootTime([]byte(stat), []byte(tt.offsets))
			require.NoError(t, err)
			assert.Equal(t, time.Unix(tt.want, 0).UTC(), boot.AsTime())
		})
	}
	_, err := parseBootTime([]byte("cpu 1\n"), nil)
	require.EqualError(t, err, `/proc/stat: expected a line that starts with "btime"`)
	_, err = parseBootTime([]byte("btime x\n"), nil)
	require.ErrorContains(t, err, "/proc/stat: ")
	_, err = parseBootTime([]byte(stat), []byte("monotonic 1 0\n"))
	require.ErrorContains(t, err, "/proc/self/timens_offsets")
}
