// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// validate lets the collector load configurations.
func validate(t *testing.T, files ...string) {
	t.Helper()
	args := []string{"validate"}
	for _, file := range files {
		args = append(args, "--config", file)
	}
	cmd := exec.Command(program(t, "OTELCOL_XFRM"), args...)
	// Those that send want it.
	cmd.Env = append(os.Environ(), "HOST_NAME=gw1")
	out, err := cmd.CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// Every shipped configuration loads, alone or behind those that it is made for.
func TestShippedConfigurations(t *testing.T) {
	files, err := filepath.Glob(shipped("*.yaml"))
	require.NoError(t, err)
	var alone, overlays []string
	for _, file := range files {
		if isOverlay(filepath.Base(file)) {
			overlays = append(overlays, file)
		} else {
			alone = append(alone, file)
		}
	}
	require.NotEmpty(t, alone)
	require.NotEmpty(t, overlays)
	for _, file := range alone {
		t.Run(filepath.Base(file), func(t *testing.T) {
			validate(t, file)
			for _, overlay := range overlays {
				validate(t, file, overlay)
				validate(t, file, shipped("tunnels.yaml"), shipped("causes.yaml"), overlay)
			}
		})
	}
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml *([a-z]*)\n(.*?)^```$")

// rest completes a configuration that shows the receiver only.
const rest = `
exporters:
  debug:
    verbosity: basic
service:
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [debug]
`

// Every configuration in the documentation loads. Blocks of another kind say of
// which behind the word yaml.
func TestDocumentedConfigurations(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	require.NoError(t, err)
	kinds := map[string]int{}
	for _, page := range append(pages, filepath.Join("..", "README.md")) {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
			kind, text := block[1], block[2]
			kinds[kind]++
			t.Run(filepath.Base(page), func(t *testing.T) {
				switch kind {
				case "":
					if !strings.Contains(text, "service:") {
						text += rest
					}
					validate(t, writeFile(t, "config.yaml", text))
				case "prometheus":
					requireRoot(t)
					newPrometheus(t, newNamespace(t), text, "--web.enable-otlp-receiver")
				case "rules":
					checkRules(t, text)
				case "ocb", "kubernetes", "kustomization":
				default:
					assert.Fail(t, "a block of an unknown kind", kind)
				}
			})
		}
	}
	assert.GreaterOrEqual(t, kinds[""], 6)
	assert.GreaterOrEqual(t, kinds["prometheus"], 1)
}

// Every link of the documentation to a file leads to one, and to a heading in it
// if it names one.
func TestDocumentedLinks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join("..", "*.md"))
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)#]*)(?:#([^)]*))?\)`)
	for _, page := range append(pages, more...) {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			file, anchor := m[1], m[2]
			if strings.Contains(file, "://") {
				continue
			}
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			_, err := os.Stat(target)
			if assert.NoError(t, err, "%s links to %s", page, file) && anchor != "" {
				assert.Contains(t, anchors(t, target), anchor, "%s links to %s", page, target)
			}
		}
	}
}

// anchors are the names that a page's headings have in links: lower case, spaces
// as dashes, without punctuation.
func anchors(t *testing.T, page string) []string {
	t.Helper()
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(content), -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(name, " ", "-"))
	}
	return all
}

// Every message that the page on troubleshooting explains is in the sources of the
// receiver, or of the provider that our collector adds.
func TestDocumentedMessages(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "docs", "troubleshoot.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(content), "\n## What the log says\n")
	require.True(t, found)
	var source strings.Builder
	for _, pattern := range []string{"../*.go", "../internal/*/*.go", "../distribution/*/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			code, err := os.ReadFile(file)
			require.NoError(t, err)
			source.Write(code)
		}
	}
	messages := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1)
	assert.GreaterOrEqual(t, len(messages), 10)
	for _, m := range messages {
		assert.Contains(t, source.String(), m[1])
	}
}
