// SPDX-License-Identifier: Apache-2.0

package xfrmnl

// The types of messages (XFRM_MSG_* in include/uapi/linux/xfrm.h).
const (
	msgNewSA      = 0x10
	msgDelSA      = 0x11
	msgGetSA      = 0x12
	msgExpire     = 0x18
	msgUpdSA      = 0x1a
	msgFlushSA    = 0x1c
	msgNewSADInfo = 0x22
	msgGetSADInfo = 0x23
	msgNewSPDInfo = 0x24
	msgGetSPDInfo = 0x25
)

// The multicast groups (XFRMNLGRP_*).
const (
	GroupExpire = 2
	GroupSA     = 3
)

// The attributes of associations (XFRMA_*).
const (
	attrAlgAuth      = 1
	attrAlgCrypt     = 2
	attrAlgComp      = 3
	attrSA           = 6
	attrReplay       = 10
	attrLastUsed     = 15
	attrAlgAEAD      = 18
	attrAlgAuthTrunc = 20
	attrMark         = 21
	attrReplayESN    = 23
	attrIfID         = 31
	attrSADir        = 33
)
