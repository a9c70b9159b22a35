// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

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

// docs/causes.md shows records as they are: each example is what the event says in
// words, and there is no other.
func TestDocumentedRecords(t *testing.T) {
	with := func(more map[string]any) map[string]any {
		all := map[string]any{
			"direction": "inbound", "network.local.address": "10.0.0.1", "network.peer.address": "10.0.0.2",
			"xfrm.protocol": "esp", "xfrm.reqid": 101, "xfrm.spi": int64(0xca2eb8c1), "xfrm.packets": 5, "xfrm.bytes": 165,
		}
		maps.Copy(all, more)
		return all
	}
	flow := map[string]any{
		"xfrm.acquire.state": "waiting", "network.transport": "udp", "network.peer.address": "10.0.0.2",
		"source.address": "10.1.0.1", "source.port": 42517, "destination.address": "10.2.0.1", "destination.port": 7000,
	}
	unanswered := maps.Clone(flow)
	unanswered["xfrm.acquire.state"] = "unanswered"
	want := map[string]bool{}
	for _, record := range []struct {
		event      string
		attributes map[string]any
	}{
		{"xfrm.packet.dropped", with(map[string]any{"reason": "no_states", "xfrm.event.count": 1})},
		{"xfrm.packet.dropped", with(map[string]any{"reason": "no_states", "xfrm.event.count": 9})},
		{"xfrm.packet.dropped", with(map[string]any{"reason": "state_seq_error", "xfrm.event.count": 9, "xfrm.spi": int64(0xc32f2a90)})},
		{"xfrm.packet.dropped", with(map[string]any{"reason": "state_proto_error", "xfrm.event.count": 11, "xfrm.spi": 0x2001})},
		{"xfrm.packet.dropped", map[string]any{
			"direction": "inbound", "reason": "no_states", "xfrm.event.count": 2584, "xfrm.event.peers": 2584,
		}},
		{"xfrm.acquire", flow},
		{"xfrm.acquire", unanswered},
		{"xfrm.sa.expired", with(map[string]any{"xfrm.spi": int64(0xce5dbef3), "xfrm.limit": "time", "xfrm.hard": false})},
		{"xfrm.sa.expired", with(map[string]any{"xfrm.spi": int64(0xce5dbef3), "xfrm.limit": "time", "xfrm.hard": true})},
		{"xfrm.sa.deleted", with(nil)},
		{"xfrm.sa.deleted", map[string]any{"direction": "unknown"}},
		{"xfrm.events.lost", map[string]any{"xfrm.event.source": "audit", "xfrm.event.count": 316}},
		{"xfrm.sa.created", with(nil)},
		{"xfrm.policy.changed", map[string]any{
			"xfrm.policy.change": "created", "direction": "outbound", "xfrm.policy.action": "allow",
			"source.address": "10.1.0.0/24", "destination.address": "10.2.0.0/24",
			"xfrm.policy.templates": []any{"src 10.0.0.1 dst 10.0.0.2 proto esp reqid 101 mode tunnel"},
		}},
		{"xfrm.policy.changed", map[string]any{"xfrm.policy.change": "flushed"}},
		{"xfrm.mapping.changed", with(map[string]any{
			"xfrm.spi": 0x3001, "network.peer.port": 61034, "xfrm.peer.previous_address": "10.0.0.2", "xfrm.peer.previous_port": 4500,
		})},
	} {
		m := pcommon.NewMap()
		require.NoError(t, m.FromRaw(record.attributes))
		_, body := describe(record.event, attributes{m})
		want[body] = true
	}
	content, err := os.ReadFile("docs/causes.md")
	require.NoError(t, err)
	got := map[string]bool{}
	for _, block := range regexp.MustCompile("(?ms)^ *```text\n(.*?)^ *```$").FindAllStringSubmatch(string(content), -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSpace(line)
			if body, ok := strings.CutPrefix(line, "Body: Str("); ok {
				line = strings.TrimSuffix(body, ")")
			}
			isRecord := !strings.HasPrefix(line, "->") && !regexp.MustCompile(`^[A-Z][A-Za-z_]*[:=]`).MatchString(line)
			if isRecord {
				got[line] = true
			}
		}
	}
	assert.Equal(t, want, got)
}
