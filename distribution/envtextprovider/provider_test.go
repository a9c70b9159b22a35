// SPDX-License-Identifier: Apache-2.0

package envtextprovider

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

// inline gives the resolver a configuration.
type inline struct {
	provider
	text string
}

func (inline) Scheme() string { return "inline" }

func (i inline) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(i.text))
}

// resolve does with a configuration what the collector does.
func resolve(t *testing.T, text string, into any) error {
	t.Helper()
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: []string{"inline:"},
		ProviderFactories: []confmap.ProviderFactory{
			NewFactory(),
			confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return inline{text: text} }),
		},
		DefaultScheme: scheme,
	})
	require.NoError(t, err)
	conf, err := resolver.Resolve(t.Context())
	if err != nil {
		return err
	}
	return conf.Unmarshal(into)
}

type fields struct {
	Any      any    `mapstructure:"any"`
	Text     string `mapstructure:"text"`
	Embedded string `mapstructure:"embedded"`
}

const references = `
any: ${envtext:VARIABLE}
text: "${envtext:VARIABLE:-default}"
embedded: "<${envtext:VARIABLE}>"
`

// A variable arrives as it is, in a field of any type, in one of text, and inside
// other text.
func TestEveryVariableIsText(t *testing.T) {
	for _, value := range []string{
		"gw1", "0123", "0815", "12345", "-1", "1e3", "1.10", ".inf", "0x1f", "1_000", "2026-01-02", "2026-01-02T03:04:05Z",
		"null", "~", "true", "no", "a: b", "{a: b}", "[x]", "- x", "x # y", "# x", "!!int 1", "!x y", "&a b", "*a", "| x", "%x", "@x", "`x`",
		`"`, `'`, `"x"`, `'x'`, `a"b'c`, `\`, `a\nb`, `C:\x`, " ", " x ", "a\nb", "a\tb", "ä", "日本",
		"$", "$$", "$$$", "a$b", "$x", "${", "}", "${x}", "$${x}", "$$${x}", "${env:HOME}", "${envtext:VARIABLE}", "${envtext:UNSET:-}", "a}b${c", ":-", "a:-b",
	} {
		t.Run(value, func(t *testing.T) {
			t.Setenv("VARIABLE", value)
			var got fields
			require.NoError(t, resolve(t, references, &got))
			assert.Equal(t, fields{Any: value, Text: value, Embedded: "<" + value + ">"}, got)
		})
	}
}

func TestDefault(t *testing.T) {
	const text = "any: ${envtext:VARIABLE:-a:-b 0123}\ntext: ${envtext:VARIABLE:-0123}\nembedded: <${envtext:VARIABLE:-}>\n"
	want := fields{Any: "a:-b 0123", Text: "0123", Embedded: "<>"}
	var got fields
	require.NoError(t, resolve(t, text, &got))
	assert.Equal(t, want, got, "unset")
	t.Setenv("VARIABLE", "")
	got = fields{}
	require.NoError(t, resolve(t, text, &got))
	assert.Equal(t, want, got, "empty")
}

func TestErrorsNameTheVariable(t *testing.T) {
	require.ErrorContains(t, resolve(t, references, &fields{}), "the environment variable VARIABLE must be set and not empty", "unset")
	t.Setenv("VARIABLE", "")
	require.ErrorContains(t, resolve(t, references, &fields{}), "the environment variable VARIABLE must be set and not empty", "empty")
	t.Setenv("VARIABLE", "a\xff")
	assert.ErrorContains(t, resolve(t, references, &fields{}), `the environment variable VARIABLE is not UTF-8: "a\xff"`)
}

func TestAnotherScheme(t *testing.T) {
	_, err := provider{}.Retrieve(t.Context(), "env:VARIABLE", nil)
	assert.ErrorContains(t, err, "does not begin with")
}
