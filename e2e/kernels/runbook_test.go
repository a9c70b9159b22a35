// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"path/filepath"
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
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reasons.md"))
	require.NoError(t, err)
	r := &runbook{names: names, sections: map[string]string{}}
	for _, section := range strings.Split(string(page), "\n### ")[1:] {
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
		printed, ran := step.Confirmed[confirm.Command]
		require.True(t, ran, confirm.Command)
		if confirm.Shows != "" {
			assert.Regexp(t, confirm.Shows, printed, confirm.Command)
		}
		if confirm.Lacks != "" {
			assert.NotRegexp(t, confirm.Lacks, printed, confirm.Command)
		}
		for name := range scenario.Expect {
			reason := r.names[name]
			assert.Contains(t, r.sections[reason], "\n# "+address.ReplaceAllString(confirm.Command, "ADDRESS"),
				"the section of %s has no such command", reason)
			row := fmt.Sprintf("| %s | %s | `%s` | %s |\n", reason, scenario.Name, confirm.Command, confirm.Means)
			if !slices.Contains(r.rows, row) {
				r.rows = append(r.rows, row)
			}
		}
	}
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
