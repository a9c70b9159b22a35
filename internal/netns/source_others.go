// SPDX-License-Identifier: Apache-2.0

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
	return nil, fmt.Errorf("reading XFRM statistics requires Linux, this is %s", runtime.GOOS)
}

// Check does nothing.
func (*Source) Check() error { return nil }

// Visit does nothing.
func (*Source) Visit(context.Context, func(Reading)) {}
