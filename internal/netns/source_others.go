//go:build !linux

package netns

import (
	"context"
	"fmt"
	"runtime"
)

// Source exists on Linux only.
type Source struct{}

// NewSource fails: only Linux has XFRM.
func NewSource(Options) (*Source, error) {
	return nil, fmt.Errorf("reading XFRM statistics needs Linux, this is %s", runtime.GOOS)
}

// Check finds nothing wrong.
func (*Source) Check() error { return nil }

// Visit visits nothing.
func (*Source) Visit(context.Context, func(Reading)) {}
