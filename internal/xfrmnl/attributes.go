// SPDX-License-Identifier: Apache-2.0

package xfrmnl

// The types of messages (XFRM_MSG_* in include/uapi/linux/xfrm.h).
const (
	msgNewSA      = 0x10
	msgDelSA      = 0x11
	msgGetSA      = 0x12
	msgNewPolicy  = 0x13
	msgDelPolicy  = 0x14
	msgAcquire    = 0x17
	msgExpire     = 0x18
	msgUpdPolicy  = 0x19
	msgUpdSA      = 0x1a
	msgPolExpire  = 0x1b
	msgFlushSA    = 0x1c
	msgFlushPol   = 0x1d
	msgNewSADInfo = 0x22
	msgGetSADInfo = 0x23
	msgNewSPDInfo = 0x24
	msgGetSPDInfo = 0x25
	msgMapping    = 0x26
)

// The multicast groups (XFRMNLGRP_*).
const (
	GroupAcquire = 1
	GroupExpire  = 2
	GroupSA      = 3
	GroupPolicy  = 4
	GroupMapping = 8
)

// The attributes of associations and policies (XFRMA_*).
const (
	attrAlgAuth      = 1
	attrAlgCrypt     = 2
	attrAlgComp      = 3
	attrTemplates    = 5
	attrSA           = 6
	attrPolicy       = 7
	attrReplay       = 10
	attrLastUsed     = 15
	attrAlgAEAD      = 18
	attrAlgAuthTrunc = 20
	attrMark         = 21
	attrReplayESN    = 23
	attrIfID         = 31
	attrSADir        = 33
)
