// SPDX-License-Identifier: Apache-2.0

package xfrmstat

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseNameAgreesWithTable(t *testing.T) {
	for _, want := range KernelNames() {
		t.Run(want.Kernel, func(t *testing.T) {
			assert.Equal(t, want, ParseName(want.Kernel))

			// The rule alone gives the same, but for the two counters that the
			// kernel's documentation groups against their names.
			derived := deriveName(want.Kernel)
			assert.Equal(t, want.Reason, derived.Reason)
			switch want.Kernel {
			case "XfrmFwdHdrError", "XfrmAcquireError":
				assert.Equal(t, Unknown, derived.Direction)
				assert.Equal(t, Inbound, want.Direction)
			default:
				assert.Equal(t, want.Direction, derived.Direction)
			}
		})
	}
}

func TestParseNameOfUnknownCounters(t *testing.T) {
	for _, tt := range []struct {
		kernel    string
		direction Direction
		reason    string
	}{
		{"XfrmInQuantumError", Inbound, "quantum_error"},
		{"XfrmOutQuantumError", Outbound, "quantum_error"},
		{"XfrmInvalidX", Unknown, "invalid_x"},
		{"XfrmOutlier", Unknown, "outlier"},
		{"XfrmIn", Unknown, "in"},
		{"XfrmOut", Unknown, "out"},
		{"Xfrm", Unknown, "xfrm"},
		{"XfrmHWOffloadError", Unknown, "hw_offload_error"},
		{"XfrmInSAError", Inbound, "sa_error"},
		{"XfrmInSA", Inbound, "sa"},
		{"XfrmOutIPTFSDrop2Late", Outbound, "iptfs_drop2_late"},
		{"XfrmIn_Foo", Unknown, "in_foo"},
		{"ShinyNewError", Unknown, "shiny_new_error"},
		{"InNoStates", Inbound, "no_states"},
		{"lower", Unknown, "lower"},
	} {
		t.Run(tt.kernel, func(t *testing.T) {
			assert.Equal(t, Name{Kernel: tt.kernel, Direction: tt.direction, Reason: tt.reason}, ParseName(tt.kernel))
		})
	}
}

func TestDirectionString(t *testing.T) {
	assert.Equal(t, "inbound", Inbound.String())
	assert.Equal(t, "outbound", Outbound.String())
	assert.Equal(t, "unknown", Unknown.String())
}
