// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Selector says which packets are meant (struct xfrm_selector).
type Selector struct {
	// Source and Destination are not valid if they are not told.
	Source, Destination netip.Prefix
	// SourcePort and DestinationPort are 0 if any port is meant. For ICMP they are
	// type and code.
	SourcePort, DestinationPort uint16
	// Protocol is the number of an IP protocol, 0 for any.
	Protocol uint8
}

// Template is what a policy demands of an association (struct xfrm_user_tmpl).
type Template struct {
	// Source and Destination are the outer addresses. They are unspecified where
	// any will do, as in transport mode.
	Source, Destination netip.Addr
	// SPI is 0 for any.
	SPI uint32
	// Protocol is ESP, AH, IPComp or another. Mode is XFRM_MODE_*.
	Protocol, Mode uint8
	// ReqID is 0 for any.
	ReqID    uint32
	Optional bool
}

// Policy is what a message says of a policy (struct xfrm_userpolicy_info and the
// attributes behind it).
type Policy struct {
	Selector Selector
	// Index is unique in the network namespace. Its lowest three bits say
	// the direction, with 3 to 5 for policies of sockets.
	Index     uint32
	Direction PolicyDirection
	// Blocks says that packets are dropped (XFRM_POLICY_BLOCK).
	Blocks bool
	// Templates are what packets go through, in order. There are none if packets
	// pass as they are.
	Templates []Template
	// IfID is XFRMA_IF_ID, Mark and MarkMask are XFRMA_MARK. 0 means none.
	IfID, Mark, MarkMask uint32
}

// PolicyDirection is XFRM_POLICY_IN, XFRM_POLICY_OUT or XFRM_POLICY_FWD.
type PolicyDirection uint8

// The directions of policies.
const (
	PolicyIn PolicyDirection = iota
	PolicyOut
	PolicyForward
)

// PolicyKind is what an event about policies says.
type PolicyKind int

// The kinds of events about policies. PolicyOther is one that this package does not
// decode.
const (
	PolicyOther PolicyKind = iota
	// PolicyAdded is XFRM_MSG_NEWPOLICY, PolicyUpdated XFRM_MSG_UPDPOLICY.
	PolicyAdded
	PolicyUpdated
	// PolicyDeleted is XFRM_MSG_DELPOLICY.
	PolicyDeleted
	// PolicyExpiredSoft and PolicyExpiredHard are XFRM_MSG_POLEXPIRE. After a hard
	// one the policy is gone.
	PolicyExpiredSoft
	PolicyExpiredHard
	// PoliciesFlushed is XFRM_MSG_FLUSHPOLICY: all policies were deleted, but those
	// of sockets.
	PoliciesFlushed
)

const (
	sizeSelector = 56
	sizeTemplate = 64
	sizePolicyID = 64 // struct xfrm_userpolicy_id

	sizePolicyInfoUsed = 164
	// maxTemplates is XFRM_MAX_DEPTH.
	maxTemplates = 6
)

// DecodePolicyEvent decodes a message of the groups POLICY and EXPIRE.
func DecodePolicyEvent(m netlink.Message, p *Policy) (PolicyKind, error) {
	switch m.Type {
	case msgNewPolicy:
		return PolicyAdded, wrap(m, decodePolicy(p, m.Data, sizePolicyInfo))
	case msgUpdPolicy:
		return PolicyUpdated, wrap(m, decodePolicy(p, m.Data, sizePolicyInfo))
	case msgDelPolicy:
		return PolicyDeleted, wrap(m, decodeDeletedPolicy(p, m.Data))
	case msgPolExpire:
		if len(m.Data) <= sizePolicyInfo {
			return PolicyOther, wrap(m, tooShort("struct xfrm_user_polexpire", len(m.Data), sizePolicyInfo+1))
		}
		kind := PolicyExpiredSoft
		if m.Data[sizePolicyInfo] != 0 {
			kind = PolicyExpiredHard
		}
		return kind, wrap(m, decodePolicy(p, m.Data, sizePolicyExpire))
	case msgFlushPol:
		*p = Policy{}
		return PoliciesFlushed, nil
	default:
		return PolicyOther, nil
	}
}

// decodePolicy decodes a message that consists of struct xfrm_userpolicy_info, up to
// size, and attributes.
func decodePolicy(p *Policy, data []byte, size int) error {
	if err := decodePolicyInfo(p, data); err != nil {
		return err
	}
	return decodePolicyAttributes(p, data[min(size, len(data)):])
}

// decodeDeletedPolicy decodes struct xfrm_userpolicy_id and attributes, of which
// XFRMA_POLICY is the policy.
func decodeDeletedPolicy(p *Policy, data []byte) error {
	if len(data) < sizePolicyID {
		return tooShort("the end of a policy", len(data), sizePolicyID)
	}
	var info []byte
	attributes := data[sizePolicyID:]
	err := netlink.Attributes(attributes, func(kind uint16, value []byte) {
		if kind == attrPolicy {
			info = value
		}
	})
	if err != nil {
		return err
	}
	if err := decodePolicyInfo(p, info); err != nil {
		return err
	}
	return decodePolicyAttributes(p, attributes)
}

func decodePolicyInfo(p *Policy, info []byte) (err error) {
	if len(info) < sizePolicyInfoUsed {
		return tooShort("a policy", len(info), sizePolicyInfoUsed)
	}
	*p = Policy{
		Index:     binary.NativeEndian.Uint32(info[156:]),
		Direction: PolicyDirection(info[160]),
		Blocks:    info[161] != 0,
	}
	p.Selector, err = decodeSelector(info)
	return err
}

func decodePolicyAttributes(p *Policy, attributes []byte) error {
	var templates []byte
	err := netlink.Attributes(attributes, func(kind uint16, value []byte) {
		switch {
		case kind == attrTemplates:
			templates = value
		case kind == attrMark && len(value) >= 8: // struct xfrm_mark
			p.Mark, p.MarkMask = binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])
		case kind == attrIfID && len(value) >= 4:
			p.IfID = binary.NativeEndian.Uint32(value)
		}
	})
	for i := 0; err == nil && i < maxTemplates && len(templates) >= sizeTemplate; i++ {
		var one Template
		one, err = decodeTemplate(templates)
		p.Templates = append(p.Templates, one)
		templates = templates[sizeTemplate:]
	}
	return err
}

// decodeTemplate decodes struct xfrm_user_tmpl.
func decodeTemplate(data []byte) (Template, error) {
	family := binary.NativeEndian.Uint16(data[24:])
	if err := checkFamily(family); err != nil {
		return Template{}, err
	}
	return Template{
		Destination: address(family, data),
		SPI:         binary.BigEndian.Uint32(data[16:]),
		Protocol:    data[20],
		Source:      address(family, data[28:]),
		ReqID:       binary.NativeEndian.Uint32(data[44:]),
		Mode:        data[48],
		Optional:    data[50] != 0,
	}, nil
}

// decodeSelector decodes struct xfrm_selector, which the caller has checked is
// there.
func decodeSelector(data []byte) (Selector, error) {
	s := Selector{
		DestinationPort: binary.BigEndian.Uint16(data[32:]),
		SourcePort:      binary.BigEndian.Uint16(data[36:]),
		Protocol:        data[44],
	}
	family := binary.NativeEndian.Uint16(data[40:])
	if family == 0 { // AF_UNSPEC: that of the template
		return s, nil
	}
	if err := checkFamily(family); err != nil {
		return Selector{}, err
	}
	s.Destination = netip.PrefixFrom(address(family, data), int(data[42]))
	s.Source = netip.PrefixFrom(address(family, data[16:]), int(data[43]))
	if !s.Destination.IsValid() || !s.Source.IsValid() {
		return Selector{}, fmt.Errorf("%w: prefixes of %d and %d bits in a selector of address family %d",
			ErrMalformed, data[42], data[43], family)
	}
	return s, nil
}
