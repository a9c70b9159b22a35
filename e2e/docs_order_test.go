// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The contents list every page of the documentation once, and each page that is
// written by hand leads to the next.
func TestDocumentationOrder(t *testing.T) {
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join("..", "docs", name))
		require.NoError(t, err)
		return string(content)
	}
	title := func(name string) string {
		heading, _, _ := strings.Cut(read(name), "\n")
		return strings.TrimPrefix(heading, "# ")
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^(\d+)\. \[[^\]]+\]\(([^)]+)\)`).FindAllStringSubmatch(read("README.md"), -1) {
		listed = append(listed, m[2])
	}
	var pages []string
	files, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	require.NoError(t, err)
	for _, file := range files {
		if name := filepath.Base(file); name != "README.md" {
			pages = append(pages, name)
		}
	}
	require.ElementsMatch(t, pages, listed)
	generated := regexp.MustCompile("(?m)^(Made by `make |`make bench` wrote this page)")
	for i, name := range listed {
		footer := "\n\n---\n\n[Contents](README.md)\n"
		if i+1 < len(listed) {
			next := listed[i+1]
			footer = "\n\n---\n\nNext: [" + title(next) + "](" + next + ") · [Contents](README.md)\n"
		}
		if !generated.MatchString(read(name)) {
			assert.True(t, strings.HasSuffix(read(name), footer), "%s does not end with %q", name, footer)
		}
	}
}
