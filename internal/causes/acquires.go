// SPDX-License-Identifier: Apache-2.0

package causes

import "github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"

// maxAcquires bounds the acquires that are remembered until they expire, which
// takes 30 s (net.core.xfrm_acq_expires). Nothing tells that one was answered: an
// answered one stays until its place is taken.
const maxAcquires = 10_000

// acquires are the last ones. The kernel numbers them in order, so a later one takes
// the place of the oldest.
type acquires map[uint32]xfrmnl.Acquire

func (a acquires) add(one xfrmnl.Acquire) { a[one.Sequence%maxAcquires] = one }

// expire returns the acquire whose larval association expired. Such an association
// has the number of the acquire, and no SPI.
func (a acquires) expire(sa *xfrmnl.SA) (xfrmnl.Acquire, bool) {
	place := sa.Acquire % maxAcquires
	one, ok := a[place]
	if !ok || one.Sequence != sa.Acquire || sa.SPI != 0 {
		return xfrmnl.Acquire{}, false
	}
	delete(a, place)
	return one, true
}
