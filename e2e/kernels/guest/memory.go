// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// search counts the places that hold some bytes in the memory of a collector,
// which stands still meanwhile, and in that of this process.
func (c *collector) search(wanted []byte) (found, own int, err error) {
	if err := c.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, c.cmd.Process.Signal(unix.SIGCONT)) }()
	if found, err = searchMemory(c.cmd.Process.Pid, wanted); err != nil {
		return 0, 0, err
	}
	own, err = searchMemory(os.Getpid(), wanted)
	return found, own, err
}

func searchMemory(pid int, wanted []byte) (found int, err error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return 0, err
	}
	defer memory.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var access string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &access); err != nil || access[0] != 'r' {
			continue
		}
		const piece = 1 << 20
		buffer := make([]byte, piece+len(wanted))
		for at := from; at < to; at += piece {
			n, _ := memory.ReadAt(buffer[:min(to-at, int64(len(buffer)))], at)
			found += bytes.Count(buffer[:n], wanted)
		}
	}
	return found, nil
}
