// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// parseBootTime returns when the host booted, in whole seconds, from a /proc/stat
// and a /proc/PID/timens_offsets (time_namespaces(7)), which is empty on kernels
// without time namespaces. In a time namespace the kernel shows btime less the
// offset of the boot clock (show_stat in fs/proc/stat.c), which is added again.
func parseBootTime(stat, offsets []byte) (pcommon.Timestamp, error) {
	btime, err := fieldOfLine(stat, "btime")
	if err != nil {
		return 0, fmt.Errorf("/proc/stat: %w", err)
	}
	if len(offsets) > 0 {
		offset, err := fieldOfLine(offsets, "boottime")
		if err != nil {
			return 0, fmt.Errorf("/proc/self/timens_offsets: %w", err)
		}
		btime += offset
	}
	return pcommon.NewTimestampFromTime(time.Unix(btime, 0)), nil
}

func fieldOfLine(content []byte, name string) (int64, error) {
	for line := range bytes.Lines(content) {
		fields := strings.Fields(string(line))
		if len(fields) >= 2 && fields[0] == name {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("expected a line that starts with %q", name)
}
