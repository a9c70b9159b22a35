// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/provoke"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// runbook is docs/reasons.md, section by section, and which of its commands were
// seen to show the cause.
type runbook struct {
	names    map[string]string
	sections map[string]string
	rows     []string
}

var address = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)

// openRunbook reads the page. Addresses in it become one word: they are examples.
func openRunbook(t *testing.T, names map[string]string) *runbook {
	t.Helper()
	r := &runbook{names: names, sections: map[string]string{}}
	for _, section := range strings.Split(readPages(t, "reasons.md"), "\n### ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		r.sections[strings.Replace(heading, " ", "/", 1)] = address.ReplaceAllString(text, "ADDRESS")
	}
	return r
}

// confirmed compares what the runbook's commands printed after a scenario with
// what the operator is to see.
func (r *runbook) confirmed(t *testing.T, scenario provoke.Scenario, step *report.Step) {
	t.Helper()
	for _, confirm := range provoke.Confirmations[scenario.Name] {
		printed, ran := step.Confirmed[confirm.Key()]
		require.True(t, ran, confirm.Key())
		if confirm.Shows != "" {
			assert.Regexp(t, confirm.Shows, printed, confirm.Key())
		}
		if confirm.Lacks != "" {
			assert.NotRegexp(t, confirm.Lacks, printed, confirm.Key())
		}
		for name := range scenario.Expect {
			reason := r.names[name]
			assert.Contains(t, r.sections[reason], "\n# "+address.ReplaceAllString(confirm.Command, "ADDRESS"),
				"the section of %s has no such command", reason)
			row := fmt.Sprintf("| %s | %s | `%s`%s | %s |\n", reason, scenario.Name, confirm.Command, newer(confirm), confirm.Means)
			if !slices.Contains(r.rows, row) {
				r.rows = append(r.rows, row)
			}
		}
	}
}

// newer marks what a newer iproute2 prints.
func newer(confirm provoke.Confirm) string {
	if confirm.Newer {
		return " of a newer iproute2"
	}
	return ""
}

// write leaves the fragment of docs/verification.md.
func (r *runbook) write(t *testing.T) {
	t.Helper()
	slices.Sort(r.rows)
	verification(t, os.O_APPEND, "\n### The runbook\n\n"+
		"Commands that docs/reasons.md gives under *Confirm*, run in these guests right after the provocation, and what\n"+
		"they printed on each kernel.\n\n"+
		"| reason | provocation | command | printed |\n|---|---|---|---|\n"+strings.Join(r.rows, ""))
}
