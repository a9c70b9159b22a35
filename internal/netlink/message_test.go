// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

const secret = "0123456789abcdef"

func TestARequestIsReadBackAsItWasWritten(t *testing.T) {
	data := AppendAttribute([]byte("head"), 7, []byte("value"))
	datagram := (&Request{Type: 18, Dump: true, Data: data}).append(nil, 42)
	datagram = (&Request{Type: 19, Data: []byte("x")}).append(datagram, 43)
	require.Zero(t, len(datagram)%4)

	m, rest, err := next(datagram)
	require.NoError(t, err)
	require.Equal(t, Message{Type: 18, Flags: 0x301, Sequence: 42, Data: data}, m)
	var values []string
	require.NoError(t, Attributes(m.Data[4:], func(kind uint16, value []byte) {
		require.Equal(t, uint16(7), kind)
		values = append(values, string(value))
	}))
	require.Equal(t, []string{"value"}, values)

	m, rest, err = next(rest)
	require.NoError(t, err)
	require.Equal(t, Message{Type: 19, Flags: 0x1, Sequence: 43, Data: []byte("x")}, m)
	require.Empty(t, rest)
}

func TestAMessageOfAnImpossibleLengthIsAnErrorThatDoesNotQuoteIt(t *testing.T) {
	whole := (&Request{Type: 16, Data: []byte(secret)}).append(nil, 1)
	for name, tc := range map[string]struct {
		length   uint32
		datagram []byte
		want     string
	}{
		"no header":    {32, whole[:15], "netlink datagram without whole messages: 15 bytes, expected a header of 16"},
		"zero":         {0, whole, "netlink datagram without whole messages: message of type 16 says that it has 0 bytes, expected 16 to 32"},
		"short":        {15, whole, "netlink datagram without whole messages: message of type 16 says that it has 15 bytes, expected 16 to 32"},
		"truncated":    {32, whole[:31], "netlink datagram without whole messages: message of type 16 says that it has 32 bytes, expected 16 to 31"},
		"largest":      {1<<32 - 1, whole, "netlink datagram without whole messages: message of type 16 says that it has 4294967295 bytes, expected 16 to 32"},
		"one too long": {33, whole, "netlink datagram without whole messages: message of type 16 says that it has 33 bytes, expected 16 to 32"},
	} {
		t.Run(name, func(t *testing.T) {
			datagram := append([]byte(nil), tc.datagram...)
			binary.NativeEndian.PutUint32(datagram, tc.length)
			_, _, err := next(datagram)
			require.ErrorIs(t, err, ErrDatagram)
			require.EqualError(t, err, tc.want)
		})
	}
}

func TestAnAttributeOfAnImpossibleLengthCostsThoseBehindIt(t *testing.T) {
	good := AppendAttribute(nil, 1, []byte("good"))
	for name, tc := range map[string]struct {
		bad  []byte
		want string
	}{
		"zero":      {attribute(0, 2, secret), "malformed netlink message: attribute 2 says that it has 0 bytes, expected 4 to 20"},
		"short":     {attribute(3, 2, secret), "malformed netlink message: attribute 2 says that it has 3 bytes, expected 4 to 20"},
		"too long":  {attribute(21, 2, secret), "malformed netlink message: attribute 2 says that it has 21 bytes, expected 4 to 20"},
		"no header": {[]byte{4, 0, 2}, "malformed netlink message: 3 bytes behind the last attribute, expected a header of 4"},
	} {
		t.Run(name, func(t *testing.T) {
			var kinds []uint16
			err := Attributes(append(good[:len(good):len(good)], tc.bad...), func(kind uint16, _ []byte) {
				kinds = append(kinds, kind)
			})
			require.ErrorIs(t, err, ErrMalformed)
			require.EqualError(t, err, tc.want)
			require.Equal(t, []uint16{1}, kinds)
		})
	}
}

func TestTheFlagsOfAnAttributeDoNotBelongToItsType(t *testing.T) {
	for _, flag := range []uint16{0, 1 << 15, 1 << 14, 3 << 14} { // NLA_F_NESTED, NLA_F_NET_BYTEORDER
		require.NoError(t, Attributes(AppendAttribute(nil, 5|flag, nil), func(kind uint16, value []byte) {
			require.Equal(t, uint16(5), kind)
			require.Empty(t, value)
		}))
	}
}

func TestTheLastAttributeNeedsNoPadding(t *testing.T) {
	n := 0
	require.NoError(t, Attributes(attribute(5, 1, "x"), func(_ uint16, value []byte) {
		n++
		require.Equal(t, "x", string(value))
	}))
	require.Equal(t, 1, n)
}

func attribute(length, kind uint16, value string) []byte {
	a := binary.NativeEndian.AppendUint16(nil, length)
	a = binary.NativeEndian.AppendUint16(a, kind)
	return append(a, value...)
}

func FuzzMessages(f *testing.F) {
	f.Add((&Request{Type: 16, Data: AppendAttribute(nil, 7, []byte(secret))}).append(nil, 1))
	f.Add(append((&Request{Type: 3}).append(nil, 1), 1, 2, 3))
	f.Add([]byte{15, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		left := len(datagram)
		for rest := datagram; len(rest) > 0; {
			m, after, err := next(rest)
			if err != nil {
				require.ErrorIs(t, err, ErrDatagram)
				return
			}
			require.Less(t, len(after), len(rest), "each message takes something, so that the loop ends")
			left -= len(m.Data)
			require.GreaterOrEqual(t, left, 0)
			rest = after
			values := 0
			if err := Attributes(m.Data, func(kind uint16, value []byte) {
				require.Less(t, kind, uint16(1<<14))
				values += attributeHeader + len(value)
			}); err != nil {
				require.ErrorIs(t, err, ErrMalformed)
			}
			require.LessOrEqual(t, values, len(m.Data))
		}
	})
}
