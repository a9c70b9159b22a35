// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package associations

import (
	"context"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// Reader exists on Linux only.
type Reader struct{ namespaces }

// NewReader returns a Reader that reads nothing.
func NewReader(options Options) *Reader { return &Reader{newNamespaces(options.Limits)} }

// Read reads nothing.
func (r *Reader) Read(_ context.Context, ns *netns.Namespace, _ netns.Sockets) (*Namespace, []error) {
	return r.of(ns), []error{ErrNoXfrmUser}
}

// Close does nothing.
func (*Reader) Close() {}
