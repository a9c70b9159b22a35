// SPDX-License-Identifier: Apache-2.0

// Package tunnel adds up what the security associations of a network namespace
// count, for each tunnel, so that the sums survive rekeys.
//
// It does no I/O and has no clock: dumps, events and times are passed in.
package tunnel
