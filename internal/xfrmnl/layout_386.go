// SPDX-License-Identifier: Apache-2.0

package xfrmnl

// On 386 an u64 begins at multiples of 4, so there is less space behind the last
// member. A 64-bit kernel translates for 32-bit programs (net/xfrm/xfrm_compat.c,
// CONFIG_XFRM_USER_COMPAT); without that it refuses with EOPNOTSUPP.
const (
	sizeSAInfo       = 220
	sizeExpire       = 224
	sizePolicyInfo   = 164
	sizePolicyExpire = 168
	sizeAcquire      = 276
)
