// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package xfrmreceiver

import (
	"errors"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

func bootTime() (pcommon.Timestamp, error) {
	return 0, errors.New("the boot time is read on Linux only")
}
