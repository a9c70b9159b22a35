package netns

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// userHz is the unit of the times in /proc/PID/stat, fixed at 100 Hz on every
// architecture that Go runs on (USER_HZ in include/asm-generic/param.h).
const userHz = 100

// parseProcessStart takes starttime, field 22, out of a /proc/PID/stat
// (proc_pid_stat(5)). The second field, the command in parentheses, can hold
// blanks and parentheses itself, so counting starts behind its end.
func parseProcessStart(stat []byte) (time.Duration, error) {
	const fieldsAfterCommand = 22 - 3
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("expected a command in parentheses, found %.64q", stat)
	}
	rest := stat[end+1:]
	for range fieldsAfterCommand {
		rest = bytes.TrimLeft(rest, " ")
		blank := bytes.IndexByte(rest, ' ')
		if blank < 0 {
			return 0, fmt.Errorf("expected at least 22 fields, found %.64q", stat)
		}
		rest = rest[blank:]
	}
	rest = bytes.TrimLeft(rest, " ")
	if end := bytes.IndexAny(rest, " \n"); end >= 0 {
		rest = rest[:end]
	}
	ticks, err := strconv.ParseUint(string(rest), 10, 40)
	if err != nil {
		return 0, fmt.Errorf("field 22, starttime: %w", err)
	}
	return time.Duration(ticks) * (time.Second / userHz), nil
}
