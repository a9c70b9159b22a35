//go:build !linux

package netns

import (
	"context"
	"fmt"
	"runtime"
)

// Options say which namespaces a Source reads.
type Options struct {
	// Proc is where proc is mounted; empty means /proc.
	Proc string
}

// Source exists on Linux only.
type Source struct{}

// NewSource fails: only Linux has XFRM.
func NewSource(Options) (*Source, error) {
	return nil, fmt.Errorf("reading XFRM statistics needs Linux, this is %s", runtime.GOOS)
}

// Visit visits nothing.
func (*Source) Visit(context.Context, func(Reading)) error { return nil }
