// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/provoke"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// table is what was raised exactly on which kernel.
type table struct {
	counters map[string]report.Counters
	exact    map[string]report.Counters
	// why has the reasons why a kernel did not count, by release and counter.
	why map[[2]string]string
}

func newTable() *table {
	return &table{counters: map[string]report.Counters{}, exact: map[string]report.Counters{}, why: map[[2]string]string{}}
}

func (tb *table) kernel(release string, counters report.Counters) {
	tb.counters[release] = counters
	tb.exact[release] = report.Counters{}
}

// raised notes that a scenario was exact.
func (tb *table) raised(release string, deltas report.Counters) {
	for name, delta := range deltas {
		tb.exact[release][name] += delta
	}
}

// refused notes that a scenario was impossible.
func (tb *table) refused(release string, scenario provoke.Scenario) {
	for name := range scenario.Expect {
		tb.why[[2]string{release, name}] = scenario.Refusal
	}
}

// distinct is how many different counters were raised.
func (tb *table) distinct(release string) int { return len(tb.exact[release]) }

// cell is what the table says of one counter on one kernel.
func (tb *table) cell(release, counter string) string {
	if n := tb.exact[release][counter]; n > 0 {
		return fmt.Sprintf("exact (%d)", n)
	}
	if _, ok := tb.counters[release][counter]; !ok {
		return "not in this kernel"
	}
	if why := tb.why[[2]string{release, counter}]; why != "" {
		return why
	}
	if why := provoke.Unreachable[counter]; why != "" {
		return why
	}
	return "**failed**"
}

// write leaves the fragment of docs/verification.md, if that is asked for.
func (tb *table) write(t *testing.T, releases []string) {
	t.Helper()
	var names []string
	for _, counters := range tb.counters {
		for name := range counters {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	var out strings.Builder
	out.WriteString("## Real kernels\n\n")
	out.WriteString("Stock Debian kernels in QEMU (TCG, 1 virtual CPU, booted with lsm=bpf). \"exact (N)\": real packets raised the\n" +
		"counter by exactly N in sum, and the kernel's file, an independent receiver of OTLP and Prometheus agreed on all\n" +
		"counters after each provocation.\n\n")
	out.WriteString("| counter | " + strings.Join(releases, " | ") + " |\n|---" + strings.Repeat("|---", len(releases)) + "|\n")
	for _, name := range names {
		out.WriteString("| " + name)
		for _, release := range releases {
			out.WriteString(" | " + tb.cell(release, name))
		}
		out.WriteString(" |\n")
	}
	out.WriteString("| **raised exactly**")
	for _, release := range releases {
		fmt.Fprintf(&out, " | **%d of %d**", tb.distinct(release), len(tb.counters[release]))
	}
	out.WriteString(" |\n")
	verification(t, os.O_TRUNC, out.String())
}

// verification writes a part of kernels.md: the table begins it (os.O_TRUNC),
// and others follow it (os.O_APPEND).
func verification(t *testing.T, how int, part string) {
	t.Helper()
	dir := os.Getenv("VERIFICATION_DIR")
	if dir == "" {
		t.Log("\n" + part)
		return
	}
	file, err := os.OpenFile(filepath.Join(dir, "kernels.md"), os.O_CREATE|os.O_WRONLY|how, 0o644)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	_, err = file.WriteString(part)
	require.NoError(t, err)
}
