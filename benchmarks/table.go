package main

import (
	"fmt"
	"strings"
	"time"
)

// report is docs/performance.md in the making.
type report struct{ strings.Builder }

func (r *report) printf(format string, args ...any) { _, _ = fmt.Fprintf(r, format, args...) }

func (r *report) heading(text string) { r.printf("\n## %s\n\n", text) }

func (r *report) text(format string, args ...any) { r.printf(format+"\n", args...) }

func (r *report) row(cells ...any) {
	var texts []string
	for _, cell := range cells {
		texts = append(texts, fmt.Sprint(cell))
	}
	r.printf("| %s |\n", strings.Join(texts, " | "))
}

func (r *report) header(cells ...any) {
	r.row(cells...)
	r.text("|%s", strings.Repeat("---|", len(cells)))
}

// micros is a duration in microseconds.
func micros(d time.Duration) string {
	us := float64(d) / float64(time.Microsecond)
	switch {
	case us < 10:
		return fmt.Sprintf("%.2f us", us)
	case us < 10_000:
		return fmt.Sprintf("%.1f us", us)
	default:
		return fmt.Sprintf("%.1f ms", us/1000)
	}
}

func ratio(a, b time.Duration) string { return fmt.Sprintf("%.2f", float64(a)/float64(b)) }

func kib(bytes uint64) string { return fmt.Sprintf("%d KiB", bytes>>10) }

// verdict compares a ratio with its target.
func verdict(a, b time.Duration, target float64) string {
	got := float64(a) / float64(b)
	if got <= target {
		return fmt.Sprintf("%.2f, target %.2f: met", got, target)
	}
	return fmt.Sprintf("%.2f, target %.2f: not met", got, target)
}
