// SPDX-License-Identifier: Apache-2.0

package xfrmstat

import (
	"fmt"
	"strconv"
	"strings"
)

// What a line should have been.
const (
	errCutOff     = "expected a newline at the end of the line, the file was cut off"
	errNotUTF8    = "expected UTF-8"
	errEmptyLine  = "expected a counter name and a number, found an empty line"
	errNoName     = "expected a counter name of letters, digits and underscores at the start of the line, then a number"
	errNoNumber   = "expected a number after the name"
	errNoDigits   = "expected a number of decimal digits after the name"
	errTwoNumbers = "expected one number after the name"
	errTooLarge   = "expected a number of at most 9223372036854775807, the largest that OTLP carries"
	errTwice      = "expected each direction and reason once, line %d has the same"
)

const (
	// maxShownLines bounds the text of an error about a file of garbage.
	maxShownLines = 5
	// maxShownBytes is more than any kernel's line has.
	maxShownBytes = 64
)

// BadLines is the error about the lines of a file that gave no counter. All
// other lines gave theirs.
type BadLines struct {
	// First are the first of the bad lines, at most 5.
	First []BadLine
	// Count is how many lines were bad.
	Count int
}

// BadLine is one line that gave no counter.
type BadLine struct {
	// Number of the line, from 1.
	Number int
	// Text of the line, quoted as a Go string and cut to 64 bytes.
	Text string
	// Expected says what should have stood there.
	Expected string
}

// Error names the number of each line, quotes it, and says what was expected.
func (e *BadLines) Error() string {
	var b strings.Builder
	for i, l := range e.First {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "line %d: %s: %s", l.Number, l.Text, l.Expected)
	}
	if more := e.Count - len(e.First); more > 0 {
		fmt.Fprintf(&b, "; and %d more bad lines", more)
	}
	return b.String()
}

// Key is equal for two errors about the same lines being bad for the same
// reasons, whatever numbers stand in them: a counter that moves in a bad line
// makes no new error.
func (e *BadLines) Key() string {
	var b strings.Builder
	for _, l := range e.First {
		fmt.Fprintf(&b, "%d %s;", l.Number, l.Expected)
	}
	return b.String() + strconv.Itoa(e.Count)
}

func (e *BadLines) add(number int, text []byte, expected string) *BadLines {
	if e == nil {
		e = &BadLines{}
	}
	e.Count++
	if len(e.First) < maxShownLines {
		e.First = append(e.First, BadLine{Number: number, Text: quote(text), Expected: expected})
	}
	return e
}

func (e *BadLines) addTwice(number int, text []byte, first int) *BadLines {
	return e.add(number, text, fmt.Sprintf(errTwice, first))
}

func quote(text []byte) string {
	if len(text) <= maxShownBytes {
		return strconv.Quote(string(text))
	}
	return strconv.Quote(string(text[:maxShownBytes])) + "..."
}
