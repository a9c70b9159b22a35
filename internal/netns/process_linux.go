package netns

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is one process as /proc shows it.
type process struct {
	pid int
	// start is the time since boot at which the process started, to 10 ms.
	start time.Duration
}

// userHz is the unit of the times in /proc/PID/stat, fixed at 100 Hz on every
// architecture that Go runs on (USER_HZ in include/asm-generic/param.h).
const userHz = 100

// bootTime is when the machine booted, by its own clock of now. It is computed
// once for a Source, because steps of the clock must not move start timestamps.
func bootTime() (time.Time, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}, fmt.Errorf("clock_gettime(CLOCK_BOOTTIME): %w", err)
	}
	return time.Now().Add(-time.Duration(up.Nano())), nil
}

// oldestProcess finds the process that started first of those in the network
// namespace whose xfrm_stat has this inode number.
func oldestProcess(proc string, inode uint64) (oldest process, ok bool) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return process{}, false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(filepath.Join(proc, entry.Name(), "net", statFile), &st) != nil || st.Ino != inode {
			continue
		}
		start, err := processStart(proc, pid)
		if err != nil {
			continue
		}
		if !ok || start < oldest.start {
			oldest, ok = process{pid: pid, start: start}, true
		}
	}
	return oldest, ok
}

// processStart reads when a process started, since boot.
func processStart(proc string, pid int) (time.Duration, error) {
	path := filepath.Join(proc, strconv.Itoa(pid), "stat")
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	start, err := parseProcessStart(stat)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return start, nil
}

// parseProcessStart takes starttime, field 22, out of a /proc/PID/stat
// (proc_pid_stat(5)). The second field, the command in parentheses, can hold
// blanks and parentheses itself, so counting starts behind its end.
func parseProcessStart(stat []byte) (time.Duration, error) {
	const fieldsAfterCommand = 22 - 3
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, fmt.Errorf("expected a command in parentheses, found %.64q", stat)
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) <= fieldsAfterCommand {
		return 0, fmt.Errorf("expected at least 22 fields, found %d", len(fields)+2)
	}
	ticks, err := strconv.ParseUint(string(fields[fieldsAfterCommand]), 10, 40)
	if err != nil {
		return 0, fmt.Errorf("field 22, starttime: %w", err)
	}
	return time.Duration(ticks) * (time.Second / userHz), nil
}
