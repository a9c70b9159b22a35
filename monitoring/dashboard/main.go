// SPDX-License-Identifier: Apache-2.0

// Command dashboard writes monitoring/dashboard.json, the Grafana dashboard.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	reasons := flag.String("reasons", "../../docs/reasons.md", "the page whose table says what each reason means")
	output := flag.String("o", "../dashboard.json", "the file to write")
	flag.Parse()
	if err := write(*reasons, *output); err != nil {
		log.Fatal(err)
	}
}

func write(reasons, output string) error {
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
	// PromQL has < and >, which need no escapes outside HTML.
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(board); err != nil {
		return err
	}
	return os.WriteFile(output, text.Bytes(), 0o600)
}
