// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Counts asks for the numbers of associations, larval ones included, and of
// policies. The cost does not depend on them.
func Counts(ctx context.Context, conn *netlink.Conn) (associations uint32, policies PolicyCounts, err error) {
	const (
		attrCount = 1 // XFRMA_SAD_CNT
		attrInfo  = 1 // XFRMA_SPD_INFO
	)
	flags := make([]byte, 4)
	err = conn.Exchange(ctx, func(m netlink.Message) error {
		if len(m.Data) < len(flags) {
			return wrap(m, tooShort("the answer", len(m.Data), len(flags)))
		}
		found := false
		err := netlink.Attributes(m.Data[len(flags):], func(kind uint16, value []byte) {
			u32 := func(i int) uint32 { return binary.NativeEndian.Uint32(value[4*i:]) }
			switch {
			case m.Type == msgNewSADInfo && kind == attrCount && len(value) >= 4:
				associations, found = u32(0), true
			case m.Type == msgNewSPDInfo && kind == attrInfo && len(value) >= 24:
				policies, found = PolicyCounts{u32(0), u32(1), u32(2), u32(3), u32(4), u32(5)}, true
			}
		})
		if err == nil && !found {
			err = fmt.Errorf("%w: it has no count", ErrMalformed)
		}
		return wrap(m, err)
	}, netlink.Request{Type: msgGetSADInfo, Data: flags}, netlink.Request{Type: msgGetSPDInfo, Data: flags})
	return associations, policies, err
}

// DumpSAs asks for all associations and passes each to f, which must not keep the
// pointer. Malformed ones cost themselves alone: the error wraps ErrMalformed when
// all others have been passed. After any other error some are missing.
func DumpSAs(ctx context.Context, conn *netlink.Conn, f func(*SA)) error {
	var r rows
	err := conn.Exchange(ctx, func(m netlink.Message) error {
		if r.decode(m) {
			f(&r.sa)
		}
		return nil
	}, netlink.Request{Type: msgGetSA, Dump: true})
	if err != nil {
		return err
	}
	return r.err()
}
