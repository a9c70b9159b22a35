// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// secret is in all algorithms of these tests. It must be in nothing that comes out.
const secret = "\xdeadKEYbeef\xde"

func requireNoSecret(t *testing.T, values ...any) {
	t.Helper()
	for _, value := range values {
		for _, form := range []string{"%v", "%+v", "%s", "%x"} {
			require.NotContains(t, fmt.Sprintf(form, value), secret)
			require.NotContains(t, fmt.Sprintf(form, value), fmt.Sprintf("%x", secret))
		}
	}
}

// info builds struct xfrm_usersa_info, member by member.
func info(family uint16, source, destination string, flags uint8) []byte {
	b := selector(family)
	b = append(b, xfrmAddress(destination)...)
	b = binary.BigEndian.AppendUint32(b, 0xc0ffee01) // spi
	b = append(b, 50, 0, 0, 0)                       // proto
	b = append(b, xfrmAddress(source)...)
	const none = ^uint64(0) // XFRM_INF
	b = append(b, numbers(none, 1_000_000, 1, 2_000, 3000, 3600, 11, none)...)
	b = append(b, numbers(1234, 56, 1_795_000_000, 1_795_000_060)...)
	for _, n := range []uint32{3, 4, 5, 9 /* seq */, 77 /* reqid */} {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	b = binary.NativeEndian.AppendUint16(b, family)
	b = append(b, 1 /* mode */, 32 /* replay_window */, flags)
	return append(b, make([]byte, sizeSAInfo-len(b))...)
}

// selector builds struct xfrm_selector: 10.1.0.0/16 or fd01::/16 port 500 from
// 10.2.0.0/24 or fd02::/24 port 4500, of UDP.
func selector(family uint16) []byte {
	destination, source := "10.1.0.0", "10.2.0.0"
	if family == familyINET6 {
		destination, source = "fd01::", "fd02::"
	}
	b := append(xfrmAddress(destination), xfrmAddress(source)...)
	for _, port := range []uint16{500, 0xffff, 4500, 0xffff} {
		b = binary.BigEndian.AppendUint16(b, port)
	}
	b = binary.NativeEndian.AppendUint16(b, family)
	b = append(b, 16, 24, 17, 0, 0, 0)
	return append(b, make([]byte, 8)...) // ifindex, user
}

func xfrmAddress(s string) []byte {
	return append(netip.MustParseAddr(s).AsSlice(), make([]byte, 12)...)[:16]
}

func numbers(all ...uint64) (b []byte) {
	for _, n := range all {
		b = binary.NativeEndian.AppendUint64(b, n)
	}
	return b
}

func words(all ...uint32) (b []byte) {
	for _, n := range all {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

// algorithm is struct xfrm_algo, after whose name and length the key stands.
func algorithm() []byte {
	b := append([]byte("rfc4106(gcm(aes))"), make([]byte, 64-17)...)
	b = append(b, words(uint32(8*len(secret)))...)
	return append(b, secret...)
}

type attr struct {
	kind  uint16
	value []byte
}

func message(kind uint16, head []byte, attributes ...attr) netlink.Message {
	data := bytes.Clone(head)
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	for _, a := range attributes {
		data = netlink.AppendAttribute(data, a.kind, a.value)
	}
	return netlink.Message{Type: kind, Data: data}
}
