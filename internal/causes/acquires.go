// SPDX-License-Identifier: Apache-2.0

package causes

import "github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"

// maxAcquires bounds the acquires that are remembered until they are answered or
// expire. The kernel lets them expire after 30 s (net.core.xfrm_acq_expires).
const maxAcquires = 1000

// acquires are those that nobody has answered yet, by the number that the larval
// association has, too.
type acquires map[uint32]xfrmnl.Acquire

func (a acquires) add(one xfrmnl.Acquire) {
	if len(a) < maxAcquires {
		a[one.Sequence] = one
	}
}

// expire returns the acquire whose larval association expired.
func (a acquires) expire(sa *xfrmnl.SA) (xfrmnl.Acquire, bool) {
	one, ok := a[sa.Acquire]
	delete(a, sa.Acquire)
	return one, ok && sa.SPI == 0
}

// answer forgets the acquire that an association answers.
func (a acquires) answer(sa *xfrmnl.SA) { delete(a, sa.Acquire) }
