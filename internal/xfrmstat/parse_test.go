// SPDX-License-Identifier: Apache-2.0

package xfrmstat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func capture(tb testing.TB, kernel string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "xfrm_stat", kernel))
	require.NoError(tb, err)
	return data
}

func TestParseCaptures(t *testing.T) {
	for kernel, lines := range map[string]int{"linux-5.10": 28, "linux-6.1": 28, "linux-6.12": 30, "linux-6.18": 32, "linux-7.3": 32} {
		t.Run(kernel, func(t *testing.T) {
			data := capture(t, kernel)
			var p Parser
			got, bad := p.Parse(nil, data)
			require.Nil(t, bad)
			require.Len(t, got, lines)
			text := strings.Split(string(data), "\n")
			for i, c := range got {
				assert.Equal(t, kernelNames[i], *c.Name)
				assert.Equal(t, text[i], fmt.Sprintf("%-24s\t%d", c.Name.Kernel, c.Value))
			}
		})
	}
}

func TestParseLines(t *testing.T) {
	const good = "XfrmInError\t1\n"
	for name, tt := range map[string]struct {
		line string
		want string
	}{
		"no number":          {"XfrmInHdrError\n", errNoNumber},
		"only blanks behind": {"XfrmInHdrError  \t\n", errNoNumber},
		"no name":            {"12\n", errNoName},
		"digit first":        {"1Xfrm 1\n", errNoName},
		"blank before":       {" XfrmInHdrError 1\n", errNoName},
		"punctuation":        {"Xfrm-In 1\n", errNoName},
		"two numbers":        {"XfrmInHdrError 1 2\n", errTwoNumbers},
		"trailing text":      {"XfrmInHdrError 1 x\n", errNoDigits},
		"negative":           {"XfrmInHdrError -1\n", errNoDigits},
		"plus":               {"XfrmInHdrError +1\n", errNoDigits},
		"hexadecimal":        {"XfrmInHdrError 0x10\n", errNoDigits},
		"fraction":           {"XfrmInHdrError 1.5\n", errNoDigits},
		"carriage return":    {"XfrmInHdrError 1\r\n", errNoDigits},
		"name not UTF-8":     {"Xfrm\xffIn 1\n", errNotUTF8},
		"number not UTF-8":   {"XfrmInHdrError 1\xff\n", errNotUTF8},
		"empty":              {"\n", errEmptyLine},
		"NUL":                {"\x00\n", errNoName},
		"2^63":               {"XfrmInHdrError 9223372036854775808\n", errTooLarge},
		"2^64-1":             {"XfrmInHdrError 18446744073709551615\n", errTooLarge},
		"30 digits":          {"XfrmInHdrError " + strings.Repeat("9", 30) + "\n", errTooLarge},
		"twice":              {"XfrmInError 7\n", fmt.Sprintf(errTwice, 1)},
		"same series":        {"InError 7\n", fmt.Sprintf(errTwice, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			var p Parser
			got, bad := p.Parse(nil, []byte(good+tt.line+"XfrmOutError\t3\n"))
			require.NotNil(t, bad)
			assert.Equal(t, 1, bad.Count)
			require.Len(t, bad.First, 1)
			assert.Equal(t, 2, bad.First[0].Number)
			assert.Equal(t, tt.want, bad.First[0].Expected)
			assert.Equal(t, quote([]byte(strings.TrimSuffix(tt.line, "\n"))), bad.First[0].Text)

			require.Len(t, got, 2, "all other counters arrive")
			assert.Equal(t, "XfrmInError", got[0].Name.Kernel)
			assert.Equal(t, int64(1), got[0].Value, "of two lines the first counts")
			assert.Equal(t, "XfrmOutError", got[1].Name.Kernel)
			assert.Equal(t, int64(3), got[1].Value)
		})
	}
}

func TestParseCutOff(t *testing.T) {
	var p Parser
	got, bad := p.Parse(nil, []byte("XfrmInError\t1\nXfrmInHdrError\t12"))
	require.Len(t, got, 1, "a number that may be cut is not taken")
	assert.EqualError(t, bad, `line 2: "XfrmInHdrError\t12": `+errCutOff)
}

func TestParseLargestValue(t *testing.T) {
	var p Parser
	got, bad := p.Parse(nil, []byte("XfrmInError\t9223372036854775807\n"))
	require.Nil(t, bad)
	assert.Equal(t, int64(9223372036854775807), got[0].Value)
}

func TestParseEmpty(t *testing.T) {
	var p Parser
	got, bad := p.Parse(nil, nil)
	assert.Empty(t, got)
	assert.Nil(t, bad)
}

func TestParseOtherOrder(t *testing.T) {
	var p Parser
	got, bad := p.Parse(nil, []byte("XfrmOutNoQueueSpace 1\nXfrmInFuture 2\nXfrmInError 3\nXfrmInHdrError 4\n"))
	require.Nil(t, bad)
	require.Len(t, got, 4)
	assert.Equal(t, Name{Kernel: "XfrmInFuture", Direction: Inbound, Reason: "future"}, *got[1].Name)
	assert.True(t, got[0].Name.Known)
	assert.Equal(t, "XfrmInHdrError", got[3].Name.Kernel)
}

func TestBadLinesAreBounded(t *testing.T) {
	var p Parser
	got, bad := p.Parse(nil, []byte(strings.Repeat(strings.Repeat("?", 1000)+"\n", 60)))
	assert.Empty(t, got)
	assert.Equal(t, 60, bad.Count)
	assert.Len(t, bad.First, maxShownLines)
	assert.Less(t, len(bad.Error()), 1500)
	assert.Contains(t, bad.Error(), "and 55 more bad lines")
}

func TestBadLinesKey(t *testing.T) {
	var p Parser
	_, one := p.Parse(nil, []byte("XfrmInError 1 2\n"))
	_, two := p.Parse(nil, []byte("XfrmInError 1 3\n"))
	_, other := p.Parse(nil, []byte("XfrmInError\n"))
	assert.Equal(t, one.Key(), two.Key(), "a number that changes makes no new error")
	assert.NotEqual(t, one.Key(), other.Key())
}

func TestParserForgetsGarbage(t *testing.T) {
	var p Parser
	for i := range 100 {
		var b strings.Builder
		for j := range 100 {
			fmt.Fprintf(&b, "Garbage%dx%d 1\n", i, j)
		}
		got, bad := p.Parse(nil, []byte(b.String()))
		require.Nil(t, bad)
		require.Len(t, got, 100)
	}
	assert.LessOrEqual(t, len(p.entries), len(kernelNames)+maxUnknownNames+100)
	assert.LessOrEqual(t, len(p.lines), len(kernelNames)+maxUnknownNames+100)
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, kernel := range []string{"linux-6.1", "linux-6.18"} {
		data := append(capture(t, kernel), "XfrmInFromTheFuture     \t5\n"...)
		var p Parser
		counters, _ := p.Parse(nil, data)
		allocs := testing.AllocsPerRun(100, func() {
			counters, _ = p.Parse(counters[:0], data)
		})
		assert.Zero(t, allocs, kernel)
	}
}

func BenchmarkParse(b *testing.B) {
	data := capture(b, "linux-6.18")
	var p Parser
	var counters []Counter
	b.ReportAllocs()
	for b.Loop() {
		counters, _ = p.Parse(counters[:0], data)
	}
}
