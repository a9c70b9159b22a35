// SPDX-License-Identifier: Apache-2.0

package xfrmstat

import "strings"

// Direction is the way of the packets that a counter counts, as the kernel's
// documentation (Documentation/networking/xfrm_proc.rst) groups the counters.
type Direction uint8

const (
	// Unknown is the direction of a counter that this package does not know
	// and whose name has neither In nor Out.
	Unknown Direction = iota
	// Inbound is the direction of XfrmIn*, XfrmAcquireError and XfrmFwdHdrError.
	Inbound
	// Outbound is the direction of XfrmOut*.
	Outbound
)

// String returns "inbound", "outbound" or "unknown".
func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	default:
		return "unknown"
	}
}

// Name is what a counter is called.
type Name struct {
	// Kernel is the kernel's name, for example XfrmInStateProtoError.
	Kernel string
	// Direction is the way of the packets.
	Direction Direction
	// Reason is the kernel's name without Xfrm and the direction, in
	// snake_case, for example state_proto_error.
	Reason string
	// Since is the first Linux version with the counter, as "6.12", where that
	// is later than 5.10, the oldest kernel that this package was tested with.
	// It is empty for the counters that 5.10 has, and for unknown ones.
	Since string
	// Known says that this package knows the counter by name, that is that a
	// kernel up to 7.3 has it.
	Known bool
}

// ParseName derives direction and reason from the kernel's name of a counter.
// It does so for any name by the same rule, so that a counter that a future
// kernel adds needs no new version of this package.
func ParseName(kernel string) Name {
	if i, ok := kernelIndex[kernel]; ok {
		return kernelNames[i]
	}
	return deriveName(kernel)
}

func deriveName(kernel string) Name {
	rest := strings.TrimPrefix(kernel, "Xfrm")
	if rest == "" {
		rest = kernel
	}
	direction := Unknown
	switch {
	case hasWord(rest, "In"):
		direction, rest = Inbound, rest[len("In"):]
	case hasWord(rest, "Out"):
		direction, rest = Outbound, rest[len("Out"):]
	}
	return Name{Kernel: kernel, Direction: direction, Reason: snakeCase(rest)}
}

// hasWord reports whether s starts with word as a whole camel-case word that
// another one follows: InNoStates starts with In, Invalid does not.
func hasWord(s, word string) bool {
	return len(s) > len(word) && s[:len(word)] == word && isUpper(s[len(word)])
}

// snakeCase turns a camel-case name into snake_case and takes a run of capitals
// for one word, whose last capital starts the next word where a small letter
// follows: StateSAError is state_sa_error.
func snakeCase(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 4)
	for i := range len(s) {
		c := s[i]
		if !isUpper(c) {
			b.WriteByte(c)
			continue
		}
		afterWord := i > 0 && !isUpper(s[i-1]) && s[i-1] != '_'
		beforeWord := i > 0 && isUpper(s[i-1]) && i+1 < len(s) && isLower(s[i+1])
		if afterWord || beforeWord {
			b.WriteByte('_')
		}
		b.WriteByte(c - 'A' + 'a')
	}
	return b.String()
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
