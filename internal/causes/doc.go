// SPDX-License-Identifier: Apache-2.0

// Package causes listens to what the kernel tells about IPsec in the main network
// namespace: packets that wait for an association, associations that were added,
// expired or were deleted, policies that changed, peers that moved behind a NAT.
package causes
