// SPDX-License-Identifier: Apache-2.0

package xfrmnl

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// golden is what info describes, with an algorithm.
func golden() SA {
	return SA{
		ID: ID{
			Destination: netip.MustParseAddr("198.51.100.2"),
			SPI:         0xc0ffee01,
			Protocol:    ProtocolESP,
		},
		Source: netip.MustParseAddr("192.0.2.1"),
		Mode:   1,
		ReqID:  77,
		Figures: Figures{
			Bytes: 1234, Packets: 56,
			ReplayWindow: 3, Replay: 4, IntegrityFailed: 5,
		},
		Limits:     Limits{Bytes: 1_000_000, Packets: 2_000, SinceAdded: 3600},
		SoftLimits: Limits{Packets: 1, SinceAdded: 3000, SinceUsed: 11},
		Acquire:    9,
		Added:      1_795_000_000,
		FirstUsed:  1_795_000_060,
	}
}

func goldenInfo(flags uint8) []byte { return info(familyINET, "192.0.2.1", "198.51.100.2", flags) }

func TestAnAssociationIsDecoded(t *testing.T) {
	esn := append(words(4, 100, 200, 1, 2, 128), make([]byte, 16)...)
	for name, tc := range map[string]struct {
		info       []byte
		attributes []attr
		want       func(*SA)
	}{
		"AEAD, 32 bit": {
			attributes: []attr{{attrLastUsed, numbers(1_795_000_099)}, {attrAlgAEAD, algorithm()}, {attrReplay, words(11, 12, 0xff)}},
			want:       func(sa *SA) { sa.LastUsed, sa.OutSequence, sa.InSequence = 1_795_000_099, 11, 12 },
		},
		"cipher and integrity, mark, if_id, direction": {
			attributes: []attr{
				{attrAlgAuth, algorithm()},
				{attrAlgAuthTrunc, algorithm()},
				{attrAlgCrypt, algorithm()},
				{attrMark, words(0x2a, 0xff)},
				{attrIfID, words(42)},
				{attrSADir, []byte{2}},
			},
			want: func(sa *SA) { sa.Mark, sa.MarkMask, sa.IfID, sa.Direction = 0x2a, 0xff, 42, DirectionOut },
		},
		"ESN": {
			info:       goldenInfo(flagESN),
			attributes: []attr{{attrAlgAEAD, algorithm()}, {attrReplayESN, esn}},
			want:       func(sa *SA) { sa.ESN, sa.OutSequence, sa.InSequence = true, 1<<32|100, 2<<32|200 },
		},
		"a large window without ESN": {
			attributes: []attr{{attrAlgAEAD, algorithm()}, {attrReplayESN, esn}},
			want:       func(sa *SA) { sa.OutSequence, sa.InSequence = 100, 200 },
		},
		"larval": {
			attributes: []attr{{attrReplay, words(0, 0, 0)}},
			want:       func(sa *SA) { sa.Larval = true },
		},
		"compressed":           {attributes: []attr{{attrAlgComp, algorithm()}}, want: func(*SA) {}},
		"a key that is zeroed": {attributes: []attr{{attrAlgAEAD, make([]byte, 88)}}, want: func(*SA) {}},
		"unknown attributes":   {attributes: []attr{{attrAlgAEAD, algorithm()}, {999, []byte(secret)}, {34, nil}}, want: func(*SA) {}},
		"attributes that are too short": {
			attributes: []attr{
				{attrAlgAEAD, nil},
				{attrReplay, ones(11)},
				{attrReplayESN, ones(23)},
				{attrLastUsed, ones(7)},
				{attrMark, ones(7)},
				{attrIfID, ones(3)},
				{attrSADir, nil},
			},
			want: func(*SA) {},
		},
		"IPv6": {
			info:       info(familyINET6, "2001:db8::1", "2001:db8::2", 0),
			attributes: []attr{{attrAlgAEAD, algorithm()}},
			want: func(sa *SA) {
				sa.Source, sa.Destination = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.info == nil {
				tc.info = goldenInfo(0)
			}
			want := golden()
			tc.want(&want)
			for kind, wantEvent := range map[uint16]Kind{msgNewSA: Added, msgUpdSA: Updated} {
				sa := SA{Figures: Figures{ESN: true}, Larval: true, LastUsed: 1, IfID: 1} // of the one before
				event, err := DecodeEvent(message(kind, tc.info, tc.attributes...), &sa)
				require.NoError(t, err)
				require.Equal(t, wantEvent, event)
				require.Equal(t, want, sa)
				requireNoSecret(t, sa)
			}
			var sa SA
			id := tc.info[offsetID : offsetID+sizeSAID]
			event, err := DecodeEvent(message(msgDelSA, id, append([]attr{{attrSA, tc.info}}, tc.attributes...)...), &sa)
			require.NoError(t, err)
			require.Equal(t, Deleted, event)
			require.Equal(t, want, sa)
		})
	}
}

func ones(n int) []byte { return bytes.Repeat([]byte{1}, n) }

func TestOnlyAnAssociationWithoutAnyAlgorithmIsLarval(t *testing.T) {
	for _, kind := range []uint16{attrAlgAuth, attrAlgAuthTrunc, attrAlgCrypt, attrAlgAEAD, attrAlgComp} {
		var sa SA
		require.NoError(t, decodeSA(&sa, message(msgNewSA, goldenInfo(0), attr{kind, algorithm()}).Data, sizeSAInfo))
		require.False(t, sa.Larval, "attribute %d", kind)
	}
}

func TestAMalformedRowOfADumpCostsItselfAlone(t *testing.T) {
	good := message(msgNewSA, goldenInfo(0), attr{attrAlgAEAD, algorithm()})
	var r rows
	require.True(t, r.decode(good))
	require.NoError(t, r.err())
	require.False(t, r.decode(message(msgNewSA, goldenInfo(0)[:12])))
	require.False(t, r.decode(message(msgUpdSA, goldenInfo(0))))
	require.True(t, r.decode(good))
	require.Equal(t, golden(), r.sa)
	require.ErrorIs(t, r.err(), ErrMalformed)
	require.EqualError(t, r.err(), "2 associations could not be decoded, the first: message of type 0x10: "+
		"malformed netlink message: an association has 12 bytes, expected at least 217")
}

func TestLimitsThatAreNoneAreZero(t *testing.T) {
	require.Zero(t, limit(0))
	require.Zero(t, limit(^uint64(0)))
	require.EqualValues(t, 1, limit(1))
}

func TestAnExpiryIsDecoded(t *testing.T) {
	for hard, want := range []Kind{ExpiredSoft, ExpiredHard} {
		expire := make([]byte, sizeExpire)
		copy(expire, goldenInfo(0))
		expire[sizeSAInfo] = uint8(hard)
		var sa SA
		event, err := DecodeEvent(message(msgExpire, expire, attr{attrMark, words(1, 2)}, attr{attrIfID, words(42)}), &sa)
		require.NoError(t, err)
		require.Equal(t, want, event)
		wantSA := golden()
		wantSA.Larval, wantSA.Mark, wantSA.MarkMask, wantSA.IfID = true, 1, 2, 42
		require.Equal(t, wantSA, sa)
	}
}

func TestAFlushIsDecoded(t *testing.T) {
	sa := golden()
	event, err := DecodeEvent(message(msgFlushSA, []byte{ProtocolAH}), &sa)
	require.NoError(t, err)
	require.Equal(t, Flushed, event)
	require.Equal(t, SA{ID: ID{Protocol: ProtocolAH}}, sa)
}

func TestOtherEventsArePassedOver(t *testing.T) {
	var sa SA
	event, err := DecodeEvent(netlink.Message{Type: 0x21}, &sa) // XFRM_MSG_MIGRATE
	require.NoError(t, err)
	require.Equal(t, Other, event)
}

func TestAMalformedEventIsAnErrorThatNamesItWithoutQuotingIt(t *testing.T) {
	whole := goldenInfo(0)
	id := whole[offsetID : offsetID+sizeSAID]
	for name, tc := range map[string]struct {
		message netlink.Message
		want    string
	}{
		"NEWSA, short":      {message(msgNewSA, whole[:216]), "message of type 0x10: malformed netlink message: an association has 216 bytes, expected at least 217"},
		"UPDSA, empty":      {message(msgUpdSA, nil), "message of type 0x1a: malformed netlink message: an association has 0 bytes, expected at least 217"},
		"NEWSA, family":     {message(msgNewSA, info(17, "192.0.2.1", "192.0.2.2", 0)), "message of type 0x10: malformed netlink message: address family 17, expected AF_INET or AF_INET6"},
		"NEWSA, attribute":  {broken(message(msgNewSA, whole, attr{attrAlgAEAD, algorithm()})), "message of type 0x10: malformed netlink message: attribute 18 says that it has 65535 bytes, expected 4 to 84"},
		"DELSA, short":      {message(msgDelSA, id[:20]), "message of type 0x11: malformed netlink message: the end of an association has 20 bytes, expected at least 24"},
		"DELSA, no SA":      {message(msgDelSA, id), "message of type 0x11: malformed netlink message: XFRMA_SA has 0 bytes, expected at least 217"},
		"DELSA, short SA":   {message(msgDelSA, id, attr{attrSA, whole[:100]}), "message of type 0x11: malformed netlink message: XFRMA_SA has 100 bytes, expected at least 217"},
		"EXPIRE, no reason": {message(msgExpire, whole), "message of type 0x18: malformed netlink message: struct xfrm_user_expire has 224 bytes, expected at least 225"},
		"FLUSHSA, empty":    {message(msgFlushSA, nil), "message of type 0x1c: malformed netlink message: struct xfrm_usersa_flush has 0 bytes, expected at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			var sa SA
			_, err := DecodeEvent(tc.message, &sa)
			require.ErrorIs(t, err, ErrMalformed)
			if sizeSAInfo == 224 || tc.message.Type != msgExpire {
				require.EqualError(t, err, tc.want)
			}
			requireNoSecret(t, err, sa)
		})
	}
}

// broken makes the first attribute of struct xfrm_usersa_info too long.
func broken(m netlink.Message) netlink.Message {
	m.Data[sizeSAInfo], m.Data[sizeSAInfo+1] = 0xff, 0xff
	return m
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	m := message(msgNewSA, goldenInfo(flagESN), attr{attrAlgAEAD, algorithm()}, attr{attrReplayESN, make([]byte, 40)},
		attr{attrMark, words(1, 2)}, attr{attrIfID, words(3)})
	var sa SA
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := DecodeEvent(m, &sa); err != nil {
			t.Fatal(err)
		}
	}))
}

func FuzzDecode(f *testing.F) {
	whole := goldenInfo(flagESN)
	expire := make([]byte, sizeExpire)
	copy(expire, whole)
	algorithms := []attr{{attrAlgAEAD, algorithm()}, {attrReplayESN, make([]byte, 24)}, {attrIfID, words(1)}}
	for _, m := range []netlink.Message{
		message(msgNewSA, whole, algorithms...),
		message(msgUpdSA, whole, algorithms...),
		message(msgDelSA, whole[offsetID:offsetID+sizeSAID], append(algorithms, attr{attrSA, whole})...),
		message(msgExpire, expire, attr{attrMark, words(1, 2)}),
		message(msgFlushSA, []byte{50}),
	} {
		f.Add(m.Type, m.Data, uint16(0))
	}
	f.Fuzz(func(t *testing.T, kind uint16, data []byte, position uint16) {
		// A key stands in an algorithm behind whatever the fuzzer made.
		data = netlink.AppendAttribute(data[:len(data)&^3:len(data)&^3], attrAlgCrypt, algorithm())
		// One length within it is wrong.
		data[int(position)%len(data)] ^= uint8(position >> 8)
		var sa SA
		event, err := DecodeEvent(netlink.Message{Type: kind, Data: data}, &sa)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			requireNoSecret(t, err)
			return
		}
		if event != Other && event != Flushed {
			require.True(t, sa.Source.IsValid())
			require.True(t, sa.Destination.IsValid())
		}
	})
}
