// SPDX-License-Identifier: Apache-2.0

package rtnetlink

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink/netlinktest"
)

func newConn(t *testing.T) *netlink.Conn {
	t.Helper()
	c, err := netlink.NewConn(netlinktest.Socket(t, unix.NETLINK_ROUTE), netlink.NewBuffer())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestTheAddressesOfANamespace(t *testing.T) {
	netlinktest.Enter(t)
	c := newConn(t)
	addresses, err := Addresses(context.Background(), c)
	require.NoError(t, err)
	require.Empty(t, addresses)

	netlinktest.MustIP(t, "link set lo up")
	netlinktest.MustIP(t, "address add 192.0.2.1/24 dev lo")
	netlinktest.MustIP(t, "address add 192.0.2.9 peer 198.51.100.1/32 dev lo")
	netlinktest.MustIP(t, "address add 2001:db8::1/64 dev lo")
	addresses, err = Addresses(context.Background(), c)
	require.NoError(t, err)
	want := map[netip.Addr]bool{}
	for _, a := range []string{"127.0.0.1", "192.0.2.1", "192.0.2.9", "::1", "2001:db8::1"} {
		want[netip.MustParseAddr(a)] = true
	}
	require.Equal(t, want, addresses)
}

func TestOtherInterfacesAreNotIPsecInterfaces(t *testing.T) {
	netlinktest.Enter(t)
	if out, err := netlinktest.IP(t, "link add x type veth peer name y"); err != nil {
		t.Log("only the loopback interface: ", out)
	}
	interfaces, err := IPsecInterfaces(context.Background(), newConn(t))
	require.NoError(t, err)
	require.Empty(t, interfaces)
}

func TestAnXFRMInterface(t *testing.T) {
	netlinktest.Enter(t)
	add(t, "link add ipsec0 type xfrm dev lo if_id 42", "CONFIG_XFRM_INTERFACE")
	interfaces, err := IPsecInterfaces(context.Background(), newConn(t))
	require.NoError(t, err)
	require.Equal(t, []Interface{{Name: "ipsec0", IfID: 42}}, interfaces)
}

func TestVTIInterfaces(t *testing.T) {
	netlinktest.Enter(t)
	add(t, "link add vti0a type vti local 192.0.2.1 remote 192.0.2.2 ikey 5 okey 6", "CONFIG_NET_IPVTI")
	add(t, "link add vti6a type vti6 remote 2001:db8::2 key 7", "CONFIG_IPV6_VTI")
	interfaces, err := IPsecInterfaces(context.Background(), newConn(t))
	require.NoError(t, err)
	require.Contains(t, interfaces, Interface{
		Name: "vti0a", InKey: 5, OutKey: 6,
		Local: netip.MustParseAddr("192.0.2.1"), Remote: netip.MustParseAddr("192.0.2.2"),
	})
	require.Contains(t, interfaces, Interface{
		Name: "vti6a", InKey: 7, OutKey: 7,
		Local: netip.IPv6Unspecified(), Remote: netip.MustParseAddr("2001:db8::2"),
	})
}

// add adds an interface. Of what kinds a kernel has none, no CI can test: the
// decoder's own tests stand for them, and those in the virtual machines.
func add(t *testing.T, arguments, needs string) {
	t.Helper()
	if out, err := netlinktest.IP(t, arguments); err != nil {
		t.Skipf("needs a kernel with %s: %s", needs, out)
	}
}

func attributes(all ...any) (b []byte) {
	for i := 0; i < len(all); i += 2 {
		b = netlink.AppendAttribute(b, uint16(all[i].(int)), all[i+1].([]byte))
	}
	return b
}

func link(info []byte) netlink.Message {
	return netlink.Message{Data: append(make([]byte, linkHeader),
		attributes(attrName, []byte("a\xffb\x00"), 13, []byte("other"), attrLinkInfo, info)...)}
}

func TestInterfacesAreDecoded(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for name, tc := range map[string]struct {
		info []byte
		kind string
		want Interface
	}{
		"xfrm": {
			attributes(attrKind, []byte("xfrm\x00"), attrData, attributes(1, []byte{9, 0, 0, 0}, attrIfID, []byte{42, 0, 0, 42})),
			"xfrm",
			Interface{IfID: 0x2a00002a},
		},
		"vti": {
			attributes(attrKind, []byte("vti\x00"), attrData, attributes(attrInKey, []byte{0, 0, 1, 2}, attrOutKey, []byte{0, 0, 0, 3},
				attrLocal, v4.AsSlice(), attrRemote, []byte{0, 0, 0, 0})),
			"vti",
			Interface{InKey: 0x102, OutKey: 3, Local: v4, Remote: netip.IPv4Unspecified()},
		},
		"vti6": {
			attributes(attrKind, []byte("vti6"), attrData, attributes(attrRemote, v6.AsSlice())),
			"vti6",
			Interface{Remote: v6},
		},
		"values that are too short": {
			attributes(attrKind, []byte("vti"), attrData, attributes(attrInKey, []byte{1}, attrOutKey, []byte{}, attrRemote, []byte{1})),
			"vti",
			Interface{},
		},
		"another kind": {attributes(attrKind, []byte("vlan"), attrData, attributes(attrIfID, []byte{1, 2, 3, 4})), "vlan", Interface{}},
		"no kind":      {nil, "", Interface{}},
	} {
		t.Run(name, func(t *testing.T) {
			i, kind, err := decodeInterface(link(tc.info))
			require.NoError(t, err)
			require.Equal(t, tc.kind, kind)
			tc.want.Name = "a\xffb"
			require.Equal(t, tc.want, i)
		})
	}
}

func TestMalformedAnswersAreErrors(t *testing.T) {
	_, _, err := decodeInterface(netlink.Message{Data: make([]byte, linkHeader-1)})
	require.ErrorIs(t, err, netlink.ErrMalformed)
	_, _, err = decodeInterface(link([]byte{0, 0, 1, 0}))
	require.ErrorIs(t, err, netlink.ErrMalformed)
	_, _, err = decodeInterface(link(attributes(attrKind, []byte("xfrm"), attrData, []byte{0, 0, 1, 0})))
	require.ErrorIs(t, err, netlink.ErrMalformed)
	_, err = decodeAddress(netlink.Message{Data: make([]byte, addressHeader-1)})
	require.ErrorIs(t, err, netlink.ErrMalformed)
	_, err = decodeAddress(netlink.Message{Data: append(make([]byte, addressHeader), 0, 0, 1, 0)})
	require.ErrorIs(t, err, netlink.ErrMalformed)
}

func FuzzDecode(f *testing.F) {
	f.Add(link(attributes(attrKind, []byte("xfrm"), attrData, attributes(attrIfID, []byte{1, 2, 3, 4}))).Data)
	f.Add(link(attributes(attrKind, []byte("vti6"), attrData, attributes(attrRemote, make([]byte, 16)))).Data)
	f.Add(append(make([]byte, addressHeader), attributes(attrIfaLocal, []byte{192, 0, 2, 1}, attrAddr, make([]byte, 16))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := decodeInterface(netlink.Message{Data: data}); err != nil {
			require.ErrorIs(t, err, netlink.ErrMalformed)
		}
		if _, err := decodeAddress(netlink.Message{Data: data}); err != nil {
			require.ErrorIs(t, err, netlink.ErrMalformed)
		}
	})
}
