// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package audit

import (
	"context"
	"os"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// Listener exists on Linux only.
type Listener struct{}

// Listen fails.
func Listen(netns.Sockets) (*Listener, error) { return nil, ErrNoAudit }

// Wait does nothing.
func (*Listener) Wait() error { return os.ErrClosed }

// Drain does nothing.
func (*Listener) Drain(func(Drop)) (overrun bool, err error) { return false, nil }

// Close does nothing.
func (*Listener) Close() error { return nil }

// GetStatus fails.
func GetStatus(context.Context, netns.Sockets) (Status, error) { return Status{}, ErrNoAudit }

// HasInitialNamespace returns false.
func HasInitialNamespace(string) bool { return false }

// IsOn fails.
func IsOn(context.Context, netns.Sockets) (bool, error) { return false, ErrNoAudit }
