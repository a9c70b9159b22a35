// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Counters reads the kernel's counters of the namespace.
func (s *Side) Counters() (got report.Counters, err error) {
	err = s.Do(func() (err error) {
		got, err = ReadCounters("/proc/thread-self/net/xfrm_stat")
		return err
	})
	return got, err
}

// ReadCounters reads a file in the form of /proc/net/xfrm_stat.
func ReadCounters(file string) (report.Counters, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's counters: %w", err)
	}
	got := report.Counters{}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		value, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		got[fields[0]] = value
	}
	return got, nil
}
