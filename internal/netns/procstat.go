// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"fmt"
	"strconv"
)

// ticks is a time since boot in units of 10 ms, as in /proc/PID/stat: USER_HZ is
// 100 on every architecture that Go supports (include/asm-generic/param.h).
type ticks int64

const ticksPerSecond = 100

// parseProcessStart returns starttime, field 22 of /proc/PID/stat
// (proc_pid_stat(5)). The second field, the command in parentheses, can contain
// blanks and parentheses itself, so the fields are counted from its end.
func parseProcessStart(stat []byte) (ticks, error) {
	const index = 22 - 3
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("expected a command in parentheses, found %.64q", stat)
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) <= index {
		return 0, fmt.Errorf("expected at least 22 fields, found %.64q", stat)
	}
	start, err := strconv.ParseUint(string(fields[index]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("field 22, starttime: %w", err)
	}
	// In a time namespace a process can have started before the zero of its
	// clock. The kernel then divides a negative number of nanoseconds, taken as
	// unsigned, by 10 ms (nsec_to_clock_t).
	const nanoseconds = 1_000_000_000 / ticksPerSecond
	if start >= 1<<63/nanoseconds {
		start -= 1 << 64 / nanoseconds
	}
	return ticks(start), nil
}
