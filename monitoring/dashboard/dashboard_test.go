// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func TestMeanings(t *testing.T) {
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	meanings, err := parseMeanings(string(page))
	if err != nil {
		t.Fatal(err)
	}
	if len(meanings) != 32 {
		t.Errorf("%d meanings, and the kernel has 32 counters", len(meanings))
	}
	if got := meanings["outbound-pol_block"]; got != "A policy says block" {
		t.Errorf("outbound pol_block means %q", got)
	}
	if _, err := parseMeanings(strings.ReplaceAll(string(page), "### outbound pol_block", "### something else")); err == nil {
		t.Error("a reason without a section is no error, and the dashboard would lead nowhere")
	}
	if _, err := parseMeanings("# Another page"); err == nil {
		t.Error("a page without the table is no error")
	}
}

// The panels cover no other, and each has a number of its own.
func TestLayout(t *testing.T) {
	folder := t.TempDir()
	if err := write("../../docs/reasons.md", folder); err != nil {
		t.Fatal(err)
	}
	for file, panels := range map[string]int{"dashboard.json": 9, "tunnels.json": 6} {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				t.Fatal(err)
			}
			checkLayout(t, content, panels)
		})
	}
}

type panel struct {
	ID      int
	Title   string
	GridPos struct{ X, Y, W, H int }
	// Panels are those of a row.
	Panels []panel
}

func checkLayout(t *testing.T, content []byte, panels int) {
	t.Helper()
	var board struct{ Panels []panel }
	if err := json.Unmarshal(content, &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) < panels {
		t.Fatalf("%d panels", len(board.Panels))
	}
	all := board.Panels
	for _, row := range board.Panels {
		all = append(all, row.Panels...)
	}
	cells, ids := map[[2]int]string{}, map[int]string{}
	for _, p := range all {
		if other, ok := ids[p.ID]; ok {
			t.Errorf("%q and %q have the same number", p.Title, other)
		}
		ids[p.ID] = p.Title
		if p.GridPos.W < 1 || p.GridPos.H < 1 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%q is outside the grid: %+v", p.Title, p.GridPos)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := cells[cell]; ok && other != p.Title {
					t.Errorf("%q covers %q", p.Title, other)
				}
				cells[cell] = p.Title
			}
		}
	}
}

// Grafana knows all that is in the dashboards, and nothing that it needs is missing:
// the SDK is generated from its schema.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	folder := t.TempDir()
	if err := write("../../docs/reasons.md", folder); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"dashboard.json", "tunnels.json"} {
		content, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			t.Fatal(err)
		}
		var board dashboard.Dashboard
		if err := board.UnmarshalJSONStrict(content); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := board.Validate(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The queries of Loki use what the collectors send.
func TestRecords(t *testing.T) {
	known := map[string]bool{}
	for _, file := range []string{"../../metadata.yaml", "../../distribution/config/to-logs-otlp.yaml"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^ +(?:- \{ key: |name_override: )?([a-z_.]+)[:,]?`).FindAllStringSubmatch(string(content), -1) {
			known[strings.ReplaceAll(m[1], ".", "_")] = true
		}
		if strings.Contains(file, "otlp") && !strings.Contains(string(content), "{ key: service.name, value: otelcol-xfrm,") {
			t.Error("the records have another service.name")
		}
	}
	for _, m := range regexp.MustCompile(`[{ ]([a-z_]+)=`).FindAllStringSubmatch(records+ofPeer, -1) {
		if !known[m[1]] {
			t.Errorf("no attribute gives %q", m[1])
		}
	}
}
