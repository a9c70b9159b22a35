// SPDX-License-Identifier: Apache-2.0

// Package envtextprovider lets a collector's configuration take an environment
// variable as text, whatever it looks like.
//
// The collector's own ${env:NAME} parses the variable as YAML where the field has no
// type of its own, so that a machine called 0123 becomes 83; it replaces ${...} and $$
// inside of it; and it passes on a variable that is set and empty in spite of a default.
package envtextprovider

import (
	"context"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/confmap"
)

const scheme = "envtext"

type provider struct{}

// NewFactory returns the factory of a provider for two forms:
//
//   - ${envtext:NAME}: the variable, which must be set and not empty
//   - ${envtext:NAME:-default}: the variable, or the default where it is unset or empty
//
// The value must be UTF-8, because it can become an attribute or a label. All errors
// name the variable.
func NewFactory() confmap.ProviderFactory {
	return confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return provider{} })
}

func (provider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	reference, ok := strings.CutPrefix(uri, scheme+":")
	if !ok {
		return nil, fmt.Errorf("%q does not begin with %q", uri, scheme+":")
	}
	name, fallback, hasDefault := strings.Cut(reference, ":-")
	value := os.Getenv(name)
	if value == "" {
		if !hasDefault {
			return nil, fmt.Errorf("the environment variable %s must be set and not empty", name)
		}
		value = fallback
	}
	if !utf8.ValidString(value) {
		return nil, fmt.Errorf("the environment variable %s is not UTF-8: %q", name, value)
	}
	// The resolver replaces references in what it gets from here, too, and $$ by $.
	return confmap.NewRetrieved(strings.ReplaceAll(value, "$", "$$"))
}

func (provider) Scheme() string { return scheme }

func (provider) Shutdown(context.Context) error { return nil }
