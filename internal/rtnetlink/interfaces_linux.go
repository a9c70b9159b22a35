// SPDX-License-Identifier: Apache-2.0

package rtnetlink

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
)

// Interface is a network interface that belongs to security associations.
type Interface struct {
	// Name may hold any bytes but zero and slash.
	Name string
	// IfID is the if_id of an xfrm interface (IFLA_XFRM_IF_ID), 0 for others.
	IfID uint32
	// InKey and OutKey are the keys of a vti interface, which are the marks of
	// its associations (IFLA_VTI_IKEY, IFLA_VTI_OKEY); 0 for others.
	InKey, OutKey uint32
	// Remote is the other end of a vti interface (IFLA_VTI_REMOTE).
	Remote netip.Addr
}

// IPsecInterfaces returns the interfaces of the kinds xfrm, vti and vti6.
func IPsecInterfaces(ctx context.Context, conn *netlink.Conn) ([]Interface, error) {
	const (
		msgGetLink   = 18 // RTM_GETLINK
		header       = 16 // struct ifinfomsg
		attrName     = 3  // IFLA_IFNAME
		attrLinkInfo = 18 // IFLA_LINKINFO
		attrKind     = 1  // IFLA_INFO_KIND
	)
	var all []Interface
	for _, kind := range []string{"xfrm", "vti", "vti6"} {
		// A kernel that does not have the kind answers with all interfaces.
		data := netlink.AppendAttribute(make([]byte, header), attrLinkInfo,
			netlink.AppendAttribute(nil, attrKind, []byte(kind)))
		err := conn.Exchange(ctx, func(m netlink.Message) error {
			if len(m.Data) < header {
				return nil
			}
			var one Interface
			is := false
			_ = netlink.Attributes(m.Data[header:], func(attr uint16, value []byte) {
				switch attr {
				case attrName:
					one.Name = text(value)
				case attrLinkInfo:
					is = one.decodeInfo(value, kind)
				}
			})
			if is && len(all) < maxObjects {
				all = append(all, one)
			}
			return nil
		}, netlink.Request{Type: msgGetLink, Dump: true, Data: data})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// decodeInfo decodes IFLA_LINKINFO, and reports whether it is of this kind.
func (i *Interface) decodeInfo(info []byte, kind string) (is bool) {
	const (
		attrKind = 1 // IFLA_INFO_KIND
		attrData = 2 // IFLA_INFO_DATA
		// of xfrm
		attrIfID = 2 // IFLA_XFRM_IF_ID
		// of vti and vti6
		attrInKey  = 2 // IFLA_VTI_IKEY
		attrOutKey = 3 // IFLA_VTI_OKEY
		attrRemote = 5 // IFLA_VTI_REMOTE
	)
	_ = netlink.Attributes(info, func(attr uint16, value []byte) {
		switch {
		case attr == attrKind:
			is = text(value) == kind
		case attr == attrData && is: // the kernel writes it behind the kind
			_ = netlink.Attributes(value, func(attr uint16, value []byte) {
				switch {
				case kind == "xfrm" && attr == attrIfID && len(value) >= 4:
					i.IfID = binary.NativeEndian.Uint32(value)
				case kind == "xfrm":
				case attr == attrInKey && len(value) >= 4:
					i.InKey = binary.BigEndian.Uint32(value)
				case attr == attrOutKey && len(value) >= 4:
					i.OutKey = binary.BigEndian.Uint32(value)
				case attr == attrRemote:
					i.Remote, _ = netip.AddrFromSlice(value)
				}
			})
		}
	})
	return is
}

// text returns a string that ends with a zero byte.
func text(value []byte) string {
	before, _, _ := bytes.Cut(value, []byte{0})
	return string(before)
}
