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
	file := filepath.Join(t.TempDir(), "dashboard.json")
	if err := write("../../docs/reasons.md", file); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
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
	if len(board.Panels) < 8 {
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
