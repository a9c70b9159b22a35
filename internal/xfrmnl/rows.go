// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"fmt"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// rows decodes the messages of a dump of associations.
type rows struct {
	// sa is the association of the last message.
	sa SA

	malformed int
	first     error
}

// decode reports whether sa is valid.
func (r *rows) decode(m netlink.Message) bool {
	err := errUnexpected
	if m.Type == msgNewSA {
		err = decodeSA(&r.sa, m.Data, sizeSAInfo)
	}
	if err == nil {
		return true
	}
	r.malformed++
	if r.first == nil {
		r.first = wrap(m, err)
	}
	return false
}

// err says how many messages were malformed.
func (r *rows) err() error {
	if r.malformed == 0 {
		return nil
	}
	return fmt.Errorf("%d associations could not be decoded, the first: %w", r.malformed, r.first)
}
