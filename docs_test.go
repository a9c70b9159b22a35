// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// docs/reasons.md has a row for each counter that the code knows, in the
// kernel's order, and no other.
func TestReasonsTableAgreesWithCode(t *testing.T) {
	content, err := os.ReadFile("docs/reasons.md")
	require.NoError(t, err)
	names := xfrmstat.KernelNames()
	i := 0
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 6 || !strings.HasPrefix(strings.TrimSpace(cells[0]), "Xfrm") {
			continue
		}
		for c := range cells {
			cells[c] = strings.TrimSpace(cells[c])
		}
		require.Less(t, i, len(names), "a row too many: %s", cells[0])
		name := names[i]
		i++
		since := name.Since
		if since == "" {
			since = "5.10 or earlier"
		}
		assert.Equal(t, []string{name.Kernel, name.Direction.String(), name.Reason, since}, cells[:4])
		assert.NotEmpty(t, cells[4], "%s has no meaning", name.Kernel)
		// As kernel.go says of these two.
		counts := "yes"
		if name.Kernel == "XfrmOutBundleCheckError" || name.Kernel == "XfrmOutPolDead" {
			counts = "no"
		}
		assert.Equal(t, counts, cells[5], name.Kernel)
	}
	assert.Equal(t, len(names), i, "rows")
}

// The description of reason, in metadata.yaml and so in documentation.md, lists
// the reasons of all known counters.
func TestDocumentationListsTheReasons(t *testing.T) {
	want := map[string]bool{}
	for _, name := range xfrmstat.KernelNames() {
		want[name.Reason] = true
	}
	content, err := os.ReadFile("documentation.md")
	require.NoError(t, err)
	_, row, ok := strings.Cut(string(content), "\n| reason |")
	require.True(t, ok)
	row, _, _ = strings.Cut(row, "\n")
	_, list, ok := strings.Cut(row, "up to 7.3 give ")
	require.True(t, ok)
	list, _, _ = strings.Cut(list, ".")
	var got []string
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(list, -1) {
		got = append(got, m[1])
	}
	assert.True(t, slices.IsSorted(got))
	assert.Len(t, got, len(want))
	for _, reason := range got {
		assert.True(t, want[reason], reason)
	}
}

// The runbook in docs/reasons.md has a section for each counter that the code
// knows, in the kernel's order, each with all parts. Alerts and dashboard link to
// the headings.
func TestRunbookHasEveryReason(t *testing.T) {
	content, err := os.ReadFile("docs/reasons.md")
	require.NoError(t, err)
	var want []string
	for _, direction := range []xfrmstat.Direction{xfrmstat.Inbound, xfrmstat.Outbound} {
		for _, name := range xfrmstat.KernelNames() {
			if name.Direction == direction {
				want = append(want, direction.String()+" "+name.Reason)
			}
		}
	}
	sections := strings.Split(string(content), "\n### ")[1:]
	require.Len(t, sections, len(want))
	for i, section := range sections {
		heading, text, _ := strings.Cut(section, "\n")
		assert.Equal(t, want[i], heading)
		at := 0
		for _, part := range []string{"**What the kernel found.** ", "**Usual causes.**", "**Confirm.**", "```console\n# ", "**What to change.** "} {
			next := strings.Index(text[at:], part)
			require.GreaterOrEqual(t, next, 0, "%s: %s", heading, part)
			at += next + len(part)
		}
	}
}
