// SPDX-License-Identifier: Apache-2.0

//go:build !386

package xfrmnl

// The sizes of structures that end with what an u64 in them needs.
const (
	sizeSAInfo       = 224 // struct xfrm_usersa_info
	sizeExpire       = 232 // struct xfrm_user_expire
	sizePolicyInfo   = 168 // struct xfrm_userpolicy_info
	sizePolicyExpire = 176 // struct xfrm_user_polexpire
	sizeAcquire      = 280 // struct xfrm_user_acquire
)
