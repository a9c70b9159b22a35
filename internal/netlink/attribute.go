// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"fmt"
)

const (
	attributeHeader = 4
	// typeMask removes NLA_F_NESTED and NLA_F_NET_BYTEORDER.
	typeMask = 0x3fff
)

// Attributes passes the attributes of a message to f, up to the first that is
// malformed.
func Attributes(data []byte, f func(kind uint16, value []byte)) error {
	for len(data) > 0 {
		if len(data) < attributeHeader {
			return fmt.Errorf("%w: %d bytes behind the last attribute, expected a header of %d", ErrMalformed, len(data), attributeHeader)
		}
		length := int(binary.NativeEndian.Uint16(data))
		kind := binary.NativeEndian.Uint16(data[2:]) & typeMask
		if length < attributeHeader || length > len(data) {
			return fmt.Errorf("%w: attribute %d says that it has %d bytes, expected %d to %d",
				ErrMalformed, kind, length, attributeHeader, len(data))
		}
		f(kind, data[attributeHeader:length])
		data = data[min(int(align(uint64(length))), len(data)):]
	}
	return nil
}

// AppendAttribute appends an attribute to the data of a request.
func AppendAttribute(to []byte, kind uint16, value []byte) []byte {
	to = binary.NativeEndian.AppendUint16(to, uint16(attributeHeader+len(value)))
	to = binary.NativeEndian.AppendUint16(to, kind)
	to = append(to, value...)
	for len(to)%4 != 0 {
		to = append(to, 0)
	}
	return to
}
