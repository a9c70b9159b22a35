// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ValidUTF8 returns s with each byte that is not part of valid UTF-8 written as
// \xNN. File names and cgroup names may hold any bytes, and OTLP carries UTF-8
// only: receivers refuse a whole request that holds anything else.
func ValidUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
