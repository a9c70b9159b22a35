// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"
)

// report is the text of docs/performance.md.
type report struct{ strings.Builder }

func (r *report) heading(text string) { r.text("\n## %s", text) }

// text appends a paragraph.
func (r *report) text(format string, args ...any) {
	if r.Len() > 0 && !strings.HasPrefix(format, "\n") {
		format = "\n" + format
	}
	_, _ = fmt.Fprintf(r, format+"\n", args...)
}

func (r *report) costs(costs []cost) {
	r.text("| | CPU | time | allocations | allocated |\n|---|---|---|---|---|")
	for _, c := range costs {
		_, _ = fmt.Fprintf(r, "| %s | %s | %s | %d | %d B |\n", c.name, micros(c.cpu), micros(c.wall), c.allocations, c.bytes)
	}
}

// limit is one figure of the budget.
type limit struct {
	what           string
	value, allowed float64
}

func (r *report) budget(limits ...limit) {
	r.text("| budget | at most | measured | |\n|---|---|---|---|")
	for _, l := range limits {
		verdict := "met"
		if l.value > l.allowed {
			verdict = "not met"
		}
		_, _ = fmt.Fprintf(r, "| %s | %g | %.2f | %s |\n", l.what, l.allowed, l.value, verdict)
	}
}

// micros is a duration in microseconds.
func micros(d time.Duration) string {
	us := float64(d) / float64(time.Microsecond)
	if us < 10 {
		return fmt.Sprintf("%.2f µs", us)
	}
	return fmt.Sprintf("%.0f µs", us)
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
