// SPDX-License-Identifier: Apache-2.0

//go:build !386

package xfrmnl

// sizeSAInfo is the size of struct xfrm_usersa_info, sizeExpire that of struct
// xfrm_user_expire.
const (
	sizeSAInfo = 224
	sizeExpire = 232
)
