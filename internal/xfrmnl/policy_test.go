// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// policyInfo builds struct xfrm_userpolicy_info, member by member.
func policyInfo(family uint16, direction, action uint8) []byte {
	b := append(selector(family), numbers(make([]uint64, 12)...)...)
	b = append(b, words(9 /* priority */, 81 /* index */)...)
	b = append(b, direction, action, 0, 0)
	return append(b, make([]byte, sizePolicyInfo-len(b))...)
}

// template builds struct xfrm_user_tmpl, member by member.
func template(family uint16, source, destination string) []byte {
	b := xfrmAddress(destination)
	b = binary.BigEndian.AppendUint32(b, 0x10) // spi
	b = append(b, 50, 0, 0, 0)                 // proto
	b = binary.NativeEndian.AppendUint16(b, family)
	b = append(b, 0, 0)
	b = append(b, xfrmAddress(source)...)
	b = append(b, words(77)...)
	b = append(b, 1 /* mode */, 0 /* share */, 1 /* optional */, 0)
	return append(b, words(^uint32(0), ^uint32(0), ^uint32(0))...)
}

func goldenPolicy() Policy {
	return Policy{
		Selector: Selector{
			Source: netip.MustParsePrefix("10.2.0.0/24"), Destination: netip.MustParsePrefix("10.1.0.0/16"),
			SourcePort: 4500, DestinationPort: 500, Protocol: 17,
		},
		Index: 81, Direction: PolicyOut, Blocks: true,
		IfID: 42, Mark: 1, MarkMask: 2,
		Templates: []Template{{
			Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("198.51.100.2"),
			SPI: 0x10, Protocol: 50, Mode: 1, ReqID: 77, Optional: true,
		}},
	}
}

func policyAttributes() []attr {
	return []attr{
		{attrTemplates, template(familyINET, "192.0.2.1", "198.51.100.2")},
		{16, []byte{0}}, // XFRMA_POLICY_TYPE
		{attrMark, words(1, 2)},
		{attrIfID, words(42)},
	}
}

func expiredPolicy(hard uint8) []byte {
	b := make([]byte, sizePolicyExpire)
	copy(b, policyInfo(familyINET, 1, 1))
	b[sizePolicyInfo] = hard
	return b
}

func acquire() []byte {
	b := append(xfrmAddress("198.51.100.2"), 0, 0, 0, 0, 50, 0, 0, 0) // id
	b = append(b, xfrmAddress("192.0.2.1")...)
	b = append(b, selector(familyINET)...)
	b = append(b, policyInfo(familyINET, 1, 1)...)
	return append(b, words(1, 2, 3, 99)...)
}

func mapping() []byte {
	b := append(xfrmAddress("198.51.100.2"), 0xc0, 0xff, 0xee, 1)
	b = binary.NativeEndian.AppendUint16(b, familyINET)
	b = append(b, 50, 0)
	b = append(b, words(77)...)
	b = append(b, xfrmAddress("192.0.2.1")...)
	b = append(b, xfrmAddress("192.0.2.9")...)
	return append(b, 0x11, 0x94, 0x9c, 0x40) // 4500, 40000
}

func TestAPolicyEventIsDecoded(t *testing.T) {
	whole := policyInfo(familyINET, 1, 1)
	id := append(selector(familyINET), append(words(81), 1, 0, 0, 0)...)
	for want, m := range map[PolicyKind]netlink.Message{
		PolicyAdded:       message(msgNewPolicy, whole, policyAttributes()...),
		PolicyUpdated:     message(msgUpdPolicy, whole, policyAttributes()...),
		PolicyDeleted:     message(msgDelPolicy, id, append(policyAttributes(), attr{attrPolicy, whole})...),
		PolicyExpiredSoft: message(msgPolExpire, expiredPolicy(0), policyAttributes()...),
		PolicyExpiredHard: message(msgPolExpire, expiredPolicy(1), policyAttributes()...),
	} {
		var p Policy
		kind, err := DecodePolicyEvent(m, &p)
		require.NoError(t, err)
		require.Equal(t, want, kind)
		require.Equal(t, goldenPolicy(), p)
	}
	var p Policy
	kind, err := DecodePolicyEvent(netlink.Message{Type: msgNewSA}, &p)
	require.NoError(t, err)
	require.Equal(t, PolicyOther, kind)
}

func TestTemplatesAreBounded(t *testing.T) {
	var many []byte
	for range maxTemplates + 1 {
		many = append(many, template(familyINET6, "::", "2001:db8::1")...)
	}
	var p Policy
	_, err := DecodePolicyEvent(message(msgNewPolicy, policyInfo(familyINET6, 2, 0), attr{attrTemplates, many}), &p)
	require.NoError(t, err)
	require.Len(t, p.Templates, maxTemplates)
	require.Equal(t, netip.IPv6Unspecified(), p.Templates[5].Source)
	require.Equal(t, netip.MustParsePrefix("fd01::/16"), p.Selector.Destination)
}

func TestASelectorWithoutFamilyHasNoAddresses(t *testing.T) {
	s, err := decodeSelector(make([]byte, sizeSelector))
	require.NoError(t, err)
	require.Equal(t, Selector{}, s)
}

func TestAnAcquireIsDecoded(t *testing.T) {
	var a Acquire
	ok, err := DecodeAcquire(message(msgAcquire, acquire(), policyAttributes()...), &a)
	require.NoError(t, err)
	require.True(t, ok)
	missing := goldenPolicy().Templates[0]
	missing.Source, missing.Destination = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")
	require.Equal(t, Acquire{Flow: goldenPolicy().Selector, Policy: goldenPolicy(), Missing: missing, Sequence: 99}, a)

	ok, err = DecodeAcquire(netlink.Message{Type: msgExpire}, &a)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAMappingIsDecoded(t *testing.T) {
	var m Mapping
	ok, err := DecodeMapping(message(msgMapping, mapping()), &m)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, Mapping{
		ID:    ID{Destination: netip.MustParseAddr("198.51.100.2"), SPI: 0xc0ffee01, Protocol: 50},
		ReqID: 77, Old: netip.MustParseAddrPort("192.0.2.1:4500"), New: netip.MustParseAddrPort("192.0.2.9:40000"),
	}, m)

	ok, err = DecodeMapping(netlink.Message{Type: msgExpire}, &m)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestMalformedMessagesAboutPoliciesAreErrors(t *testing.T) {
	whole := policyInfo(familyINET, 1, 1)
	tooLongPrefix := policyInfo(familyINET, 1, 1)
	tooLongPrefix[42] = 33
	badFamily := mapping()
	badFamily[20] = 17
	for name, m := range map[string]netlink.Message{
		"NEWPOLICY, short":     message(msgNewPolicy, whole[:160]),
		"NEWPOLICY, family":    message(msgNewPolicy, policyInfo(17, 1, 1)),
		"NEWPOLICY, prefix":    message(msgNewPolicy, tooLongPrefix),
		"NEWPOLICY, template":  message(msgNewPolicy, whole, attr{attrTemplates, template(17, "192.0.2.1", "192.0.2.2")}),
		"NEWPOLICY, attribute": message(msgNewPolicy, append(whole[:len(whole):len(whole)], 0, 0, 1, 0)),
		"DELPOLICY, short":     message(msgDelPolicy, whole[:60]),
		"DELPOLICY, no policy": message(msgDelPolicy, whole[:64]),
		"DELPOLICY, attribute": message(msgDelPolicy, append(whole[:64:64], 0, 0, 1, 0)),
		"POLEXPIRE, short":     message(msgPolExpire, whole),
		"ACQUIRE, short":       message(msgAcquire, acquire()[:sizeAcquire-4]),
		"ACQUIRE, template":    message(msgAcquire, make([]byte, sizeAcquire), attr{attrTemplates, make([]byte, sizeTemplate)}),
		"MAPPING, short":       message(msgMapping, mapping()[:60]),
		"MAPPING, family":      message(msgMapping, badFamily),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, decodeAny(m), ErrMalformed)
			require.ErrorContains(t, decodeAny(m), "message of type 0x")
		})
	}
}

// decodeAny passes a message to all decoders of what is not an association.
func decodeAny(m netlink.Message) error {
	var p Policy
	_, err := DecodePolicyEvent(m, &p)
	if err == nil {
		_, err = DecodeAcquire(m, new(Acquire))
	}
	if err == nil {
		_, err = DecodeMapping(m, new(Mapping))
	}
	return err
}

func FuzzDecodePolicies(f *testing.F) {
	whole := policyInfo(familyINET, 1, 1)
	for _, m := range []netlink.Message{
		message(msgNewPolicy, whole, policyAttributes()...),
		message(msgDelPolicy, whole[:64], attr{attrPolicy, whole}),
		message(msgPolExpire, expiredPolicy(1), policyAttributes()...),
		message(msgFlushPol, nil),
		message(msgAcquire, acquire(), policyAttributes()...),
		message(msgMapping, mapping()),
	} {
		f.Add(m.Type, m.Data)
	}
	f.Fuzz(func(t *testing.T, kind uint16, data []byte) {
		if err := decodeAny(netlink.Message{Type: kind, Data: data}); err != nil {
			require.ErrorIs(t, err, ErrMalformed)
		}
	})
}
