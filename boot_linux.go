// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"golang.org/x/sys/unix"
)

// bootTime returns when the host booted: btime of /proc/stat. It is a lower bound
// in whole seconds, and the same in every run until the clock is set.
func bootTime() (pcommon.Timestamp, error) {
	stat, err := os.ReadFile("/proc/stat")
	offsets, offsetsErr := os.ReadFile("/proc/self/timens_offsets")
	if offsetsErr != nil && !errors.Is(offsetsErr, os.ErrNotExist) {
		return 0, offsetsErr
	}
	if err != nil {
		return bootTimeByClocks(offsets)
	}
	return parseBootTime(stat, offsets)
}

// bootTimeByClocks is for a proc without /proc/stat, that is one mounted with
// subset=pid. The difference of two clocks jitters by microseconds, so that it can
// differ by a second from run to run.
func bootTimeByClocks(offsets []byte) (pcommon.Timestamp, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return 0, fmt.Errorf("clock_gettime(CLOCK_BOOTTIME): %w", err)
	}
	stat := fmt.Appendf(nil, "btime %d\n", time.Now().Add(-time.Duration(up.Nano())).Unix())
	return parseBootTime(stat, offsets)
}
