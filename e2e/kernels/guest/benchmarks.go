// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os/exec"
)

// runBenchmarks notes what the benchmarks of security associations print.
func runBenchmarks() error {
	cmd := exec.Command("/bin/benchmarks", "-established")
	cmd.Env = []string{"PATH=/bin"}
	printed, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("the benchmarks: %w: %s", err, printed)
	}
	note("%s", printed)
	return nil
}
