// SPDX-License-Identifier: Apache-2.0

package xfrmstat

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzParse(f *testing.F) {
	for _, kernel := range []string{"linux-5.10", "linux-6.1", "linux-6.12", "linux-6.18", "linux-7.3"} {
		f.Add(capture(f, kernel))
	}
	for _, s := range []string{
		"", "\n", "XfrmInError", "XfrmInError 1", "XfrmInError 1\nXfrmInError 2\n", "A 1\nXfrmA 2\n",
		"XfrmInvalidX 9223372036854775808\n", "\xff 1\n", "XfrmInError \t 1 \n", "__ 1\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Parser
		got, bad := p.Parse(nil, data)

		lines := bytes.Count(data, []byte("\n"))
		if len(data) > 0 && data[len(data)-1] != '\n' {
			lines++
		}
		failed := 0
		if bad != nil {
			failed = bad.Count
			if len(bad.First) == 0 || !utf8.ValidString(bad.Error()) {
				t.Fatalf("unprintable error %q", bad.Error())
			}
		}
		if len(got)+failed != lines {
			t.Fatalf("%d lines gave %d counters and %d errors", lines, len(got), failed)
		}

		met := map[series]bool{}
		for _, c := range got {
			key := series{c.Name.Direction, c.Name.Reason}
			if met[key] {
				t.Fatalf("%v twice", key)
			}
			met[key] = true
			if c.Value < 0 || c.Name.Reason == "" || strings.ToLower(c.Name.Reason) != c.Name.Reason {
				t.Fatalf("bad counter %+v %+v", c, *c.Name)
			}
		}

		// Good lines are never lost because of bad ones: each line that parses
		// alone, and is no repetition, is there.
		var alone Parser
		want := map[series]int64{}
		for line := range bytes.SplitAfterSeq(data, []byte("\n")) {
			one, _ := alone.Parse(nil, line)
			for _, c := range one {
				key := series{c.Name.Direction, c.Name.Reason}
				if _, ok := want[key]; !ok {
					want[key] = c.Value
				}
			}
		}
		if len(want) != len(got) {
			t.Fatalf("got %d counters, line by line %d", len(got), len(want))
		}
		for _, c := range got {
			if want[series{c.Name.Direction, c.Name.Reason}] != c.Value {
				t.Fatalf("%s is %d", c.Name.Kernel, c.Value)
			}
		}
	})
}
