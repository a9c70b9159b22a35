// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// A tunnel that strongSwan built with IKEv2 counts nothing; the mistakes that
// operators make show under the reasons that the documentation names, packet by
// packet, and end with the remedies that it names.
func TestStrongSwan(t *testing.T) {
	mistakesTest{
		name: "strongSwan", daemons: "charons",
		arg: "strongswan-mistakes", mistakes: tunnel.StrongSwanMistakes(),
		packages: strongSwanPackages, add: (*guest).strongSwan,
	}.run(t)
}

// So they do with libreswan.
func TestLibreswan(t *testing.T) {
	onlyThorough(t)
	mistakesTest{
		name: "libreswan", daemons: "plutos",
		arg: "libreswan-mistakes", mistakes: tunnel.LibreswanMistakes(),
		packages: libreswanPackages, add: (*guest).libreswan,
	}.run(t)
}

type mistakesTest struct {
	// name and daemons are for docs/verification.md.
	name, daemons string
	// arg makes the guest make the mistakes.
	arg      string
	mistakes []tunnel.Mistake
	// packages are unpacked into a directory, of which add takes what it needs.
	packages []string
	add      func(*guest, string)
}

func (mt mistakesTest) run(t *testing.T) {
	t.Helper()
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases("6.12")
	require.NoError(t, err)
	tree, err := cache.Tree(mt.packages...)
	require.NoError(t, err)
	names := documentedNames(t)
	g := newGuest(t, cache, releases[0])
	g.modules()
	mt.add(g, tree)
	ran := map[string]*report.Step{}
	for _, step := range g.boot(mt.arg, 15*time.Minute) {
		ran[step.Name] = step
	}
	pages := readPages(t, "alerts.md", "reasons.md")
	var rows, confirmed strings.Builder
	for _, mistake := range mt.mistakes {
		t.Run(mistake.Name, func(t *testing.T) {
			made, remedied := ran[mistake.Name], ran[tunnel.Remedied+mistake.Name]
			require.NotNil(t, made, "the guest did not come to it")
			requireStep(t, names, made, mistake.Expect)
			for _, confirm := range mistake.Confirm {
				assert.Contains(t, pages, strings.Replace(confirm.Command, " net", " NAME", 1), "the pages have no such command")
				printed := made.Confirmed[confirm.Key()]
				if confirm.Shows != "" {
					assert.Regexp(t, confirm.Shows, printed, confirm.Key())
				}
				if confirm.Lacks != "" {
					assert.NotRegexp(t, confirm.Lacks, printed, confirm.Key())
				}
				fmt.Fprintf(&confirmed, "| %s | %s | `%s` | %s |\n", mistake.Name, confirm.Where(), confirm.Command, confirm.Means)
			}
			require.NotNil(t, remedied, "the guest did not come to the remedy")
			requireStep(t, names, remedied, nil)
			fmt.Fprintf(&rows, "| %s | %s |\n", mistake.Name, counted(names, mistake.Expect))
		})
	}
	verification(t, os.O_APPEND, "\n### "+mt.name+"\n\n"+
		"Two "+mt.daemons+" in two network namespaces of "+releases[0]+" build an ESP tunnel with IKEv2 and a shared secret. 10\n"+
		"packets are sent under each mistake; the collector runs at the side that counts. After the remedy that the runbook\n"+
		"names, 10 packets pass in each direction, and nothing counts.\n\n"+
		"| mistake | counters seen |\n|---|---|\n"+rows.String()+"\n"+
		"| mistake | where | command | printed |\n|---|---|---|---|\n"+confirmed.String())
}

// readPages returns the text of pages of the documentation.
func readPages(t *testing.T, names ...string) (text string) {
	t.Helper()
	for _, name := range names {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		require.NoError(t, err)
		text += string(page)
	}
	return text
}
