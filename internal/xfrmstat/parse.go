package xfrmstat

import (
	"bytes"
	"math"
	"unicode/utf8"
)

// Counter is one line of the file.
type Counter struct {
	// Name says what is counted. It stays valid, and must not be changed.
	Name *Name
	// Value is the number of events since the network namespace was created.
	// The kernel's counter is an unsigned long: one of 32 bits wraps at 2^32,
	// one of 64 bits that does not fit OTLP's int64 is a bad line.
	Value int64
}

// Parser parses files of one kernel. It remembers the names that it has met,
// so that parsing the file again allocates nothing. The zero value is ready to
// use; it is not safe for concurrent use.
type Parser struct {
	entries map[string]*entry
	kernel  [len(kernelNames)]*entry
	series  map[seriesKey]*series
	// run numbers the calls of Parse, to tell which series this one has met.
	run uint64
}

// maxUnknownNames is how many names beyond the kernel's a Parser remembers. No
// kernel has nearly as many new ones; a file of garbage can, at each scrape
// others.
const maxUnknownNames = 256

type entry struct {
	name   Name
	series *series
	// index is the place in kernelNames, or -1.
	index int
}

// series is what the output tells apart. Two kernel names could share one.
type series struct {
	run  uint64
	line int
}

type seriesKey struct {
	direction Direction
	reason    string
}

// Parse appends the counters of data to dst. Each line stands for itself: where
// some are bad, the counters of all others are returned together with a
// *BadLines. Data without any line is not an error here.
func (p *Parser) Parse(dst []Counter, data []byte) ([]Counter, *BadLines) {
	p.begin()
	var bad *BadLines
	next := 0
	for line := 1; len(data) > 0; line++ {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			bad = bad.add(line, data, errCutOff)
			break
		}
		text := data[:end]
		data = data[end+1:]

		e, value, fault := p.parseLine(text, next)
		if fault != "" {
			bad = bad.add(line, text, fault)
			continue
		}
		if e.index >= 0 {
			next = e.index + 1
		}
		if e.series.run == p.run {
			bad = bad.addTwice(line, text, e.series.line)
			continue
		}
		e.series.run, e.series.line = p.run, line
		dst = append(dst, Counter{Name: &e.name, Value: value})
	}
	return dst, bad
}

func (p *Parser) begin() {
	p.run++
	if p.entries != nil && len(p.entries) <= len(kernelNames)+maxUnknownNames {
		return
	}
	p.entries = make(map[string]*entry, len(kernelNames))
	p.series = make(map[seriesKey]*series, len(kernelNames))
	for i := range kernelNames {
		p.kernel[i] = p.add(kernelNames[i], i)
	}
}

// parseLine returns the entry and the value of a line, or what is wrong with it.
func (p *Parser) parseLine(text []byte, next int) (e *entry, value int64, fault string) {
	if e := p.expected(text, next); e != nil {
		value, fault := parseValue(trimBlanks(text[len(e.name.Kernel):]))
		return e, value, fault
	}
	name, number, fault := split(text)
	if fault != "" {
		return nil, 0, fault
	}
	if value, fault = parseValue(number); fault != "" {
		return nil, 0, fault
	}
	return p.lookup(name), value, ""
}

// expected returns the entry at next if the line is that one's, well-formed up to
// its number. Kernels print their counters in one order, so it nearly always is.
func (p *Parser) expected(text []byte, next int) *entry {
	if next >= len(p.kernel) {
		return nil
	}
	e := p.kernel[next]
	n := len(e.name.Kernel)
	if len(text) <= n || string(text[:n]) != e.name.Kernel || !isBlank(text[n]) || !isDigit(text[len(text)-1]) {
		return nil
	}
	return e
}

// lookup finds or makes the entry of a name.
func (p *Parser) lookup(name []byte) *entry {
	if e, ok := p.entries[string(name)]; ok {
		return e
	}
	return p.add(deriveName(string(name)), -1)
}

func (p *Parser) add(name Name, index int) *entry {
	key := seriesKey{direction: name.Direction, reason: name.Reason}
	s, ok := p.series[key]
	if !ok {
		s = &series{}
		p.series[key] = s
	}
	e := &entry{name: name, series: s, index: index}
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

// notDigits says what is wrong with a number whose byte i is no digit.
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
