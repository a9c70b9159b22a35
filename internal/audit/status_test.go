// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answer is a struct audit_status.
func answer(fields ...uint32) []byte {
	var data []byte
	for _, field := range fields {
		data = binary.NativeEndian.AppendUint32(data, field)
	}
	return data
}

func TestDecodeStatus(t *testing.T) {
	const failure, pid, rateLimit, backlog = 101, 102, 103, 104
	for _, test := range []struct {
		name string
		data []byte
		want Status
	}{
		{"off", answer(0, 0, failure, pid, rateLimit, 64, 3, backlog, 0x7f, 15000, 0), Status{Lost: 3}},
		{"on", answer(0, 1, failure, pid, rateLimit, 8192, 0, backlog, 0x7f, 15000, 0), Status{Enabled: true}},
		{"locked", answer(0, 2, failure, pid, rateLimit, 0, 0xffffffff, backlog), Status{Enabled: true, Lost: 0xffffffff}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := decodeStatus(test.data)
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
	_, err := decodeStatus(make([]byte, 31))
	assert.EqualError(t, err, "malformed answer to AUDIT_GET: 31 bytes, expected at least 32")
}
