// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// reference is an environment variable in a configuration, with its default.
var reference = regexp.MustCompile(`\$\{[a-z]+:([A-Z_]+)(?::-([^}]*))?\}`)

// shippedFile is a file of distribution/config, and those that it goes behind.
type shippedFile struct {
	name string
	args []string
	// text is every string with a variable in it, by where it is.
	text map[string]string
}

func shippedFiles(t *testing.T) (files []shippedFile) {
	t.Helper()
	paths, err := filepath.Glob(shipped("*.yaml"))
	require.NoError(t, err)
	for _, path := range paths {
		file := shippedFile{name: filepath.Base(path), text: map[string]string{}}
		if isOverlay(file.name) {
			file.args = []string{"--config", shipped("host.yaml")}
		}
		file.args = append(file.args, "--config", path)
		var content any
		require.NoError(t, yaml.Unmarshal([]byte(readShipped(t, file.name)), &content))
		walk(content, "", func(path string, value any) {
			if text, ok := value.(string); ok && reference.MatchString(text) {
				file.text[path] = text
			}
		})
		files = append(files, file)
	}
	require.NotEmpty(t, files)
	return files
}

func isOverlay(name string) bool {
	return isSender(name) || name == "tunnels.yaml" || name == "causes.yaml"
}

func isSender(name string) bool { return strings.HasPrefix(name, "to-") }

// walk calls f with everything in a tree that is no map and no list.
func walk(tree any, path string, f func(path string, value any)) {
	switch tree := tree.(type) {
	case map[string]any:
		for key, value := range tree {
			walk(value, path+"/"+key, f)
		}
	case []any:
		for i, value := range tree {
			walk(value, fmt.Sprintf("%s/%d", path, i), f)
		}
	default:
		f(path, tree)
	}
}

// decoded are the fields of the configuration that the collector's components get.
func decoded(t *testing.T, args, environment []string) (map[string]any, error) {
	t.Helper()
	cmd := exec.Command(program(t, "OTELCOL_XFRM"), append([]string{"print-config", "--format=json", "--validate=false"}, args...)...)
	cmd.Env = environment
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if cmd.Run() != nil {
		return nil, errors.New(stderr.String())
	}
	var tree any
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &tree))
	fields := map[string]any{}
	walk(tree, "", func(path string, value any) {
		// Remote write prints the fields of HTTP below a key that the configuration lacks.
		fields[strings.Replace(path, "/prometheus_remote_write/http/", "/prometheus_remote_write/", 1)] = value
	})
	return fields, nil
}

// Every variable of every shipped configuration reaches its component as the text that
// it is, whatever YAML makes of that.
func TestShippedVariables(t *testing.T) {
	values := []string{
		"gw1", "0123", "0815", "12345", "1e3", "1.10", ".inf", "0x1f", "2026-01-02", "null", "~", "true", "a: b", "{a: b}", "[x]", "- x", "x # y", "# x",
		"!!int 1", "&a b", "*a", "%x", `"`, `'`, `"x"`, `'x'`, `a"b'c`, `\`, `a\nb`, " x ", "a\nb", "ä", "$", "$$", "a$b", "${", "}", "${x}", "$${x}", "${env:HOME}",
	}
	seen := map[string]bool{}
	for _, file := range shippedFiles(t) {
		t.Run(file.name, func(t *testing.T) {
			for _, value := range values {
				environment := os.Environ()
				for _, text := range file.text {
					for _, m := range reference.FindAllStringSubmatch(text, -1) {
						seen[m[1]] = true
						environment = append(environment, m[1]+"="+value)
					}
				}
				// An overlay needs one that its base may do without.
				environment = append(environment, "HOST_NAME="+value)
				got, err := decoded(t, file.args, environment)
				require.NoError(t, err, "%q", value)
				for path, text := range file.text {
					want := reference.ReplaceAllLiteralString(text, value)
					assert.Equal(t, want, got[path], "%s", path)
				}
			}
		})
	}
	for _, name := range []string{"HOST_NAME", "LISTEN", "HEALTH", "ROOT_PATH", "PROMETHEUS_URL", "GATEWAY", "TLS_CA", "TLS_CERT", "TLS_KEY", "QUEUE", "LOGS_URL"} {
		assert.True(t, seen[name], name)
	}
}

// A variable that is set and empty counts as one that is not set: the default holds, or
// the start fails and names it. Whoever sends must say who it is.
func TestShippedVariablesUnset(t *testing.T) {
	for _, file := range shippedFiles(t) {
		for name, set := range map[string]bool{"unset": false, "empty": true} {
			t.Run(file.name+" "+name, func(t *testing.T) {
				var environment []string
				for _, text := range file.text {
					for _, m := range reference.FindAllStringSubmatch(text, -1) {
						if set {
							environment = append(environment, m[1]+"=")
						}
					}
				}
				if isSender(file.name) {
					_, err := decoded(t, file.args, environment)
					assert.ErrorContains(t, err, "the environment variable HOST_NAME must be set and not empty")
					environment = append(environment, "HOST_NAME=gw1")
				}
				got, err := decoded(t, file.args, environment)
				require.NoError(t, err)
				for path, text := range file.text {
					want := reference.ReplaceAllStringFunc(text, func(s string) string {
						m := reference.FindStringSubmatch(s)
						if m[2] == "" && m[1] == "HOST_NAME" {
							return "gw1"
						}
						return m[2]
					})
					assert.Equal(t, want, got[path], "%s", path)
				}
			})
		}
	}
}

// A variable that is not UTF-8 stops the start: everyone downstream would refuse it.
func TestShippedVariablesNotUTF8(t *testing.T) {
	for _, file := range shippedFiles(t) {
		for _, text := range file.text {
			for _, m := range reference.FindAllStringSubmatch(text, -1) {
				_, err := decoded(t, file.args, append(os.Environ(), "HOST_NAME=gw1", m[1]+"=\xff"))
				assert.ErrorContains(t, err, "the environment variable "+m[1]+" is not UTF-8", file.name)
			}
		}
	}
}
