// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The types and flags of messages that this package uses (NLMSG_*, NLM_F_*).
const (
	typeNoop  = 1
	typeError = 2
	typeDone  = 3

	flagRequest = 0x1
	flagDump    = 0x300 // NLM_F_ROOT | NLM_F_MATCH
)

// HeaderSize is the size of struct nlmsghdr.
const HeaderSize = 16

var (
	// ErrMalformed says that the content of a message, such as the length of an
	// attribute, is impossible.
	ErrMalformed = errors.New("malformed netlink message")

	// ErrDatagram says that a datagram cannot be divided into messages, or is longer
	// than the buffer. An answer is not complete then.
	ErrDatagram = errors.New("netlink datagram without whole messages")
)

// Message is one message of a datagram. Data is valid until the next read.
type Message struct {
	Type, Flags uint16
	Sequence    uint32
	Data        []byte
}

// next returns the first message of a datagram and what follows it.
func next(datagram []byte) (m Message, rest []byte, err error) {
	if len(datagram) < HeaderSize {
		return m, nil, fmt.Errorf("%w: %d bytes, expected a header of %d", ErrDatagram, len(datagram), HeaderSize)
	}
	m.Type = binary.NativeEndian.Uint16(datagram[4:])
	m.Flags = binary.NativeEndian.Uint16(datagram[6:])
	m.Sequence = binary.NativeEndian.Uint32(datagram[8:])
	length := uint64(binary.NativeEndian.Uint32(datagram))
	if length < HeaderSize || length > uint64(len(datagram)) {
		return m, nil, fmt.Errorf("%w: message of type %d says that it has %d bytes, expected %d to %d",
			ErrDatagram, m.Type, length, HeaderSize, len(datagram))
	}
	m.Data = datagram[HeaderSize:length]
	return m, datagram[min(align(length), uint64(len(datagram))):], nil
}

// Request is a message to the kernel.
type Request struct {
	Type uint16
	// Dump asks for all objects instead of one.
	Dump bool
	// Data is what follows the header.
	Data []byte
}

func (r *Request) append(to []byte, sequence uint32) []byte {
	flags := uint16(flagRequest)
	if r.Dump {
		flags |= flagDump
	}
	to = binary.NativeEndian.AppendUint32(to, uint32(HeaderSize+len(r.Data)))
	to = binary.NativeEndian.AppendUint16(to, r.Type)
	to = binary.NativeEndian.AppendUint16(to, flags)
	to = binary.NativeEndian.AppendUint32(to, sequence)
	to = binary.NativeEndian.AppendUint32(to, 0)
	to = append(to, r.Data...)
	for len(to)%4 != 0 {
		to = append(to, 0)
	}
	return to
}

// align rounds a length up to the boundary where the next message or attribute
// begins (NLMSG_ALIGN, NLA_ALIGN).
func align(length uint64) uint64 { return (length + 3) &^ 3 }
