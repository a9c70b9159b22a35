// SPDX-License-Identifier: Apache-2.0

// Command dashboard writes monitoring/dashboard.json and tunnels.json, the Grafana dashboards.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	log.SetFlags(0)
	reasons := flag.String("reasons", "../../docs/reasons.md", "the page whose table says what each reason means")
	folder := flag.String("o", "..", "where to write dashboard.json and tunnels.json")
	flag.Parse()
	if err := write(*reasons, *folder); err != nil {
		log.Fatal(err)
	}
}

func write(reasons, folder string) error {
	page, err := os.ReadFile(reasons)
	if err != nil {
		return err
	}
	meanings, err := parseMeanings(string(page))
	if err != nil {
		return err
	}
	board, err := build(meanings)
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(folder, "dashboard.json"), board); err != nil {
		return err
	}
	board, err = buildTunnels()
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(folder, "tunnels.json"), board)
}

func writeJSON(file string, board dashboard.Dashboard) error {
	// PromQL has < and >, which need no escapes outside HTML.
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(board); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o600)
}
