// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package xfrmreceiver

import "github.com/xfrmreceiver/xfrmreceiver/internal/netns"

// newStreams returns none: only Linux has XFRM, and no Source can be made elsewhere.
func newStreams(*Config, *netns.Source) []*stream { return nil }
