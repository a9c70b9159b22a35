// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/events"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// What the kernel tells becomes records that name cause, peer and SPI, and stand for
// as many packets as the kernel counted.
func TestEvents(t *testing.T) {
	eventTest{
		title: "Events",
		text: "Audit is on. The number is how many packets the records of drops stand for, which is the rise of the kernel's\n" +
			"counter, or how many other records there are.",
		arg: "events", steps: events.Steps(),
	}.run(t)
}

// So it does when strongSwan makes the associations, and an operator a mistake.
func TestStrongSwanEvents(t *testing.T) {
	eventTest{
		title: "Events with strongSwan",
		text:  "Two charons, and mistakes that operators make. The number is how many packets and other records were as expected.",
		arg:   "strongswan-events", steps: events.StrongSwan(),
		packages: strongSwanPackages, add: (*guest).strongSwan,
	}.run(t)
}

// eventTest runs steps in a guest.
type eventTest struct {
	// title and text are for docs/verification.md.
	title, text string
	// arg makes the guest run the steps.
	arg   string
	steps []events.Step
	// packages are unpacked into a directory, of which add takes what it needs.
	packages []string
	add      func(*guest, string)
}

// run runs the steps on 6.12, or on 6.1, 6.12 and the newest.
func (et eventTest) run(t *testing.T) {
	t.Helper()
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases("6.12", "6.1")
	require.NoError(t, err)
	if !thorough() {
		releases = releases[:1]
	}
	slices.Sort(releases)
	cells := map[string]string{}
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			g := newGuest(t, cache, release)
			g.modules()
			if et.add != nil {
				tree, err := cache.Tree(et.packages...)
				require.NoError(t, err)
				et.add(g, tree)
			}
			done := map[string]*report.EventStep{}
			for _, line := range g.run(et.arg, 10*time.Minute) {
				if line.Event != nil {
					done[line.Event.Name] = line.Event
				}
			}
			for _, step := range et.steps {
				cell := "**failed**"
				t.Run(step.Name, func(t *testing.T) { cell = requireEvents(t, done[step.Name], step) })
				cells[step.Name] += " | " + cell
			}
		})
	}
	var rows strings.Builder
	for _, step := range et.steps {
		fmt.Fprintf(&rows, "| %s%s |\n", step.Name, cells[step.Name])
	}
	verification(t, os.O_APPEND, "\n### "+et.title+"\n\n"+et.text+"\n\n"+
		"| what was done | "+strings.Join(releases, " | ")+" |\n|---"+strings.Repeat("|---", len(releases))+"|\n"+rows.String())
}

// requireEvents compares the records of a step with what was done.
func requireEvents(t *testing.T, got *report.EventStep, step events.Step) string {
	t.Helper()
	require.NotNil(t, got, "the guest did not run it")
	require.Empty(t, got.Error, got.Log)
	total := 0
	for _, expected := range step.Expect {
		count := 0
		for _, r := range got.Records {
			if !expected.Matches(r) {
				continue
			}
			n := 1
			if r.Event == "xfrm.packet.dropped" {
				n, _ = strconv.Atoi(r.Attributes["xfrm.event.count"])
			}
			count += n
			assert.Equal(t, expected.Severity, r.Severity, r.Body)
			assert.Contains(t, r.Body, expected.Body)
		}
		if step.Flood {
			lost := countLost(got.Records)
			t.Logf("%d packets in %d records, %d lost", count, len(got.Records), lost)
			assert.LessOrEqual(t, len(got.Records), step.MaxRecords)
			count += lost
		}
		assert.Equal(t, expected.Count, count, "%s %v", expected.Event, expected.Attributes)
		total += count
	}
	for counter, sum := range events.Counters(got.Records) {
		if step.Flood {
			sum += int64(countLost(got.Records))
		}
		assert.Equal(t, got.Kernel[counter], sum, "the records and the rise of %s", counter)
	}
	for _, r := range got.Records {
		assert.NotContains(t, step.None, r.Event, r.Body)
		assert.True(t, step.Flood || r.Event != "xfrm.events.lost", r.Body)
	}
	if t.Failed() {
		for _, r := range got.Records {
			t.Logf("%s %s %v: %s", r.Severity, r.Event, r.Attributes, r.Body)
		}
		t.Log("kernel:", got.Kernel, "collector:", got.Log)
		return "**failed**"
	}
	if total == 0 {
		return "passed"
	}
	return strconv.Itoa(total)
}

// countLost counts the records that the kernel says it has lost.
func countLost(records []report.Record) (lost int) {
	for _, r := range records {
		if r.Event == "xfrm.events.lost" {
			n, _ := strconv.Atoi(r.Attributes["xfrm.event.count"])
			lost += n
		}
	}
	return lost
}
