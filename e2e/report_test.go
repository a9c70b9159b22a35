// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// faults are what the tests of faults found, for docs/verification.md.
var faults struct {
	sync.Mutex
	rows []string
	here string
}

// verifiedHere notes which counters of this machine's kernel were raised exactly,
// each in so many kinds of namespaces.
func verifiedHere(raised map[string]int, kinds int) {
	faults.Lock()
	defer faults.Unlock()
	var b strings.Builder
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	fmt.Fprintf(&b, "## This machine's kernel\n\nLinux %s, which has policies and neither ESP nor AH. Each counter was raised by packets in %d kinds of "+
		"network namespaces (the collector's own, a named and a process's); OTLP and Prometheus showed exactly as many on that "+
		"counter, and nothing on any other.\n\n| counter | exact in |\n|---|---|\n", version, kinds)
	for _, counter := range slices.Sorted(maps.Keys(raised)) {
		fmt.Fprintf(&b, "| %s | %d of %d kinds |\n", counter, raised[counter], kinds)
	}
	faults.here = b.String() + "\n"
}

// verified notes what happened at a fault, and what its operator sees. It is
// written only if the whole suite passes.
func verified(fault, happened, sees string) {
	faults.Lock()
	defer faults.Unlock()
	faults.rows = append(faults.rows, fmt.Sprintf("| %s | %s | %s |\n", fault, happened, sees))
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := os.Getenv("VERIFICATION_DIR"); dir != "" && code == 0 {
		text := faults.here + "## Real faults\n\nThe built collector, on this suite's own kernel.\n\n" +
			"| fault | what happened | what the operator sees |\n|---|---|---|\n" + strings.Join(faults.rows, "")
		if err := os.WriteFile(filepath.Join(dir, "faults.md"), []byte(text), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
