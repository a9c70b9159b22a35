// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/provoke"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// series are the kernels of Debian's releases. The newest that the archive
// offers is tested too.
var series = []string{"5.10", "6.1", "6.12"}

// enough is how many different counters must have been raised on each kernel.
const enough = 22

// On real kernels every scenario raises the counters that it should by exactly
// the number of packets, and no other; the collector, an independent receiver of
// OTLP and Prometheus say the same as the kernel.
func TestKernels(t *testing.T) {
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases(series...)
	require.NoError(t, err)
	tree, err := cache.Tree("iproute2")
	require.NoError(t, err)
	newer, err := cache.Newer("iproute2")
	require.NoError(t, err)
	names := documentedNames(t)
	table, runbook := newTable(), openRunbook(t, names)
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			guest := newGuest(t, cache, release)
			guest.modules()
			// The newer comes first: the libraries that it brings fit both.
			require.NoError(t, guest.files.Linked(provoke.NewerIP, newer, filepath.Join(newer, "bin", "ip")))
			require.NoError(t, guest.files.Linked(provoke.IP, tree, filepath.Join(tree, "bin", "ip")))
			steps := guest.boot("counters", 5*time.Minute)
			require.NotEmpty(t, steps)
			counters := steps[0].Before.Kernel
			table.kernel(release, counters)
			for name, value := range counters {
				assert.Zero(t, value, "%s before anything was done", name)
			}
			ran := map[string]*report.Step{}
			for _, step := range steps {
				ran[step.Name] = step
			}
			for _, scenario := range provoke.Scenarios() {
				if !scenario.Runs(counters) {
					continue
				}
				t.Run(scenario.Name, func(t *testing.T) {
					step := ran[scenario.Name]
					t.Log(scenario.How)
					require.NotNil(t, step, "the guest did not run it")
					if step.Refused {
						require.NotEmpty(t, scenario.Refusal, "the kernel refuses a packet")
						requireStep(t, names, step, nil)
						table.refused(release, scenario)
						return
					}
					requireStep(t, names, step, scenario.Expect)
					table.raised(release, scenario.Expect)
					runbook.confirmed(t, scenario, step)
				})
			}
			assert.GreaterOrEqual(t, table.distinct(release), enough, "counters raised exactly")
		})
	}
	table.write(t, releases)
	runbook.write(t)
}

// requireStep compares all counters of all observers after a step.
func requireStep(t *testing.T, names map[string]string, step *report.Step, expect report.Counters) {
	t.Helper()
	require.Empty(t, step.Error)
	want := maps.Clone(step.Before.Kernel)
	for name, delta := range expect {
		want[name] += delta
	}
	assert.Equal(t, want, step.After.Kernel, "the kernel's own file")
	translated := report.Counters{}
	for name, value := range want {
		require.Contains(t, names, name, "docs/reasons.md has no such counter")
		translated[names[name]] = value
	}
	assert.Equal(t, translated, step.After.OTLP, "OTLP")
	assert.Equal(t, translated, step.After.Prometheus, "Prometheus")
}
