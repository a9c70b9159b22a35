// SPDX-License-Identifier: Apache-2.0

package xfrmstat

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// Counter is one line of the file.
type Counter struct {
	// Name says what is counted. It stays valid and must not be changed. The same
	// Parser returns the same pointer for the same name.
	Name *Name
	// Value is the number of events since the network namespace was created.
	// The kernel's counter is an unsigned long: one of 32 bits wraps at 2^32,
	// one of 64 bits that does not fit OTLP's int64 is a bad line.
	Value int64
}

// Parser parses files of one kernel. It remembers the names that it has seen, so
// that parsing a file again allocates nothing. The zero value is ready to use; it
// is not safe for concurrent use.
type Parser struct {
	entries map[string]entry
	// first holds the first name of each series. Two names could give one series.
	first map[series]*Name
	// lines holds the line of each series, by its first name, in the file that is
	// being parsed.
	lines map[*Name]int
}

type entry struct {
	name *Name
	// first is the first name of the same series.
	first *Name
}

// series is what the output distinguishes.
type series struct {
	direction Direction
	reason    string
}

// maxUnknownNames is how many names beyond the kernel's a Parser remembers. No
// kernel has nearly as many new ones; a file of garbage can have others each time.
const maxUnknownNames = 256

// Parse appends the counters of data to dst. Each line stands for itself: if some
// are bad, the counters of all others are returned together with a *BadLines. Data
// without any line is not an error here.
func (p *Parser) Parse(dst []Counter, data []byte) ([]Counter, *BadLines) {
	p.begin()
	var bad *BadLines
	for line := 1; len(data) > 0; line++ {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			bad = bad.add(line, data, errCutOff)
			break
		}
		text := data[:end]
		data = data[end+1:]

		name, number, fault := split(text)
		value := int64(0)
		if fault == "" {
			value, fault = parseValue(number)
		}
		if fault != "" {
			bad = bad.add(line, text, fault)
			continue
		}
		e := p.lookup(name)
		if first := p.lines[e.first]; first != 0 {
			bad = bad.addTwice(line, text, first)
			continue
		}
		p.lines[e.first] = line
		dst = append(dst, Counter{Name: e.name, Value: value})
	}
	return dst, bad
}

func (p *Parser) begin() {
	if p.entries == nil || len(p.entries) > len(kernelNames)+maxUnknownNames {
		p.entries = make(map[string]entry, len(kernelNames))
		p.first = make(map[series]*Name, len(kernelNames))
		p.lines = make(map[*Name]int, len(kernelNames))
		for i := range kernelNames {
			p.add(&kernelNames[i])
		}
	}
	clear(p.lines)
}

// lookup finds or adds a name.
func (p *Parser) lookup(name []byte) entry {
	if e, ok := p.entries[string(name)]; ok {
		return e
	}
	n := deriveName(string(name))
	return p.add(&n)
}

func (p *Parser) add(name *Name) entry {
	key := series{direction: name.Direction, reason: name.Reason}
	if p.first[key] == nil {
		p.first[key] = name
	}
	e := entry{name: name, first: p.first[key]}
	p.entries[name.Kernel] = e
	return e
}

// split cuts a line into name and number.
func split(text []byte) (name, number []byte, fault string) {
	i := 0
	for i < len(text) && isNameByte(text[i]) {
		i++
	}
	name, rest := text[:i], text[i:]
	switch {
	case i > 0 && !isDigit(name[0]) && len(rest) > 0 && isBlank(rest[0]):
	case !utf8.Valid(text):
		return nil, nil, errNotUTF8
	case len(bytes.TrimSpace(text)) == 0:
		return nil, nil, errEmptyLine
	case i > 0 && !isDigit(name[0]) && len(rest) == 0:
		return nil, nil, errNoNumber
	default:
		return nil, nil, errNoName
	}
	rest = trimBlanks(rest)
	if len(rest) == 0 {
		return nil, nil, errNoNumber
	}
	return name, rest, ""
}

func parseValue(text []byte) (value int64, fault string) {
	for i, c := range text {
		if !isDigit(c) {
			return 0, notDigits(text, i)
		}
		d := int64(c - '0')
		if value > (math.MaxInt64-d)/10 {
			fault, value = errTooLarge, 0
		}
		value = value*10 + d
	}
	return value, fault
}

// notDigits says what is wrong with a number whose byte i is not a digit.
func notDigits(text []byte, i int) string {
	switch {
	case !utf8.Valid(text):
		return errNotUTF8
	case isBlank(text[i]) && isDigit(trimBlanks(text[i:])[0]):
		return errTwoNumbers
	default:
		return errNoDigits
	}
}

func isNameByte(c byte) bool { return isUpper(c) || isLower(c) || isDigit(c) || c == '_' }
func isBlank(c byte) bool    { return c == ' ' || c == '\t' }

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
