// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	for file, panels := range map[string]int{"dashboard.json": 8, "tunnels.json": 5} {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				t.Fatal(err)
			}
			checkLayout(t, content, panels)
		})
	}
}

func checkLayout(t *testing.T, content []byte, panels int) {
	t.Helper()
	type panel struct {
		ID      int
		Title   string
		Type    string
		GridPos struct{ X, Y, W, H int }
		Panels  []json.RawMessage
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(content, &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Panels) < panels {
		t.Fatalf("%d panels", len(board.Panels))
	}
	cells, ids := map[[2]int]string{}, map[int]string{}
	for _, p := range board.Panels {
		if other, ok := ids[p.ID]; ok && p.Type != "row" {
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

// promtool runs every query of the tunnels with these values of the variables.
func TestQueriesOfTunnelsAreTested(t *testing.T) {
	tests, err := os.ReadFile("../tests/dashboard.yaml")
	if err != nil {
		t.Fatal(err)
	}
	board, err := buildTunnels()
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(board)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(content, &read); err != nil {
		t.Fatal(err)
	}
	values := strings.NewReplacer("$__range", "1h", "$cluster", ".*", "$node", "gw1", "$kind", "named",
		"$namespace", "vpn", "$peer", ".*", "$window", "5")
	for _, panel := range read.Panels {
		if len(panel.Targets) == 0 {
			t.Errorf("%q has no query", panel.Title)
		}
		for _, target := range panel.Targets {
			query := values.Replace(target.Expr)
			if strings.Contains(query, "$") || !strings.Contains(string(tests), "expr: '"+query+"'\n") {
				t.Errorf("%q: not in tests/dashboard.yaml: %s", panel.Title, query)
			}
		}
	}
}
