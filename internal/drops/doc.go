// SPDX-License-Identifier: Apache-2.0

// Package drops turns dropped packets into few records: one for each kind in an
// interval, and a bounded number of kinds. It does no I/O and has no clock.
package drops
