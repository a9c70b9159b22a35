// SPDX-License-Identifier: Apache-2.0

package causes

import (
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// maxMappings bounds the associations whose mapping is remembered.
const maxMappings = 10_000

// mappings are where the packets of associations came from last. The kernel reports
// each packet that does not come from where it was negotiated.
type mappings map[xfrmnl.ID]netip.AddrPort

// changed reports whether the packets come from another place than those before,
// and sets Old to that.
func (m mappings) changed(one *xfrmnl.Mapping) bool {
	last, known := m[one.ID]
	if known {
		if last == one.New {
			return false
		}
		one.Old = last
	}
	if !known && len(m) >= maxMappings {
		clear(m)
	}
	m[one.ID] = one.New
	return true
}
