// SPDX-License-Identifier: Apache-2.0

package rtnetlink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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
	// Local and Remote are the ends of a vti interface (IFLA_VTI_LOCAL,
	// IFLA_VTI_REMOTE), unspecified if any will do, not valid for others.
	Local, Remote netip.Addr
}

// IPsecInterfaces returns the interfaces of the kinds xfrm, vti and vti6, at most
// 100,000 of them. The error wraps netlink.ErrMalformed if all others are there.
func IPsecInterfaces(ctx context.Context, conn *netlink.Conn) ([]Interface, error) {
	const msgGetLink = 18 // RTM_GETLINK
	var all []Interface
	var malformed error
	for _, kind := range []string{"xfrm", "vti", "vti6"} {
		data := netlink.AppendAttribute(make([]byte, linkHeader), attrLinkInfo,
			netlink.AppendAttribute(nil, attrKind, []byte(kind)))
		// A kernel that does not know the kind, as long as its module is not loaded,
		// answers with all interfaces, the loopback interface among them.
		var answer []Interface
		filtered := true
		err := conn.Exchange(ctx, func(m netlink.Message) error {
			i, is, err := decodeInterface(m)
			filtered = filtered && is == kind
			switch {
			case err != nil:
				malformed = err
			case isIPsec(is) && len(all)+len(answer) < maxObjects:
				answer = append(answer, i)
			}
			return nil
		}, netlink.Request{Type: msgGetLink, Dump: true, Data: data})
		if err != nil {
			return all, err
		}
		if !filtered {
			return answer, malformed
		}
		all = append(all, answer...)
	}
	return all, malformed
}

func isIPsec(kind string) bool { return kind == "xfrm" || kind == "vti" || kind == "vti6" }

const (
	linkHeader   = 16 // struct ifinfomsg
	attrName     = 3  // IFLA_IFNAME
	attrLinkInfo = 18 // IFLA_LINKINFO
	attrKind     = 1  // IFLA_INFO_KIND
	attrData     = 2  // IFLA_INFO_DATA

	attrIfID = 2 // IFLA_XFRM_IF_ID

	attrInKey  = 2 // IFLA_VTI_IKEY
	attrOutKey = 3 // IFLA_VTI_OKEY
	attrLocal  = 4 // IFLA_VTI_LOCAL
	attrRemote = 5 // IFLA_VTI_REMOTE
)

// decodeInterface decodes an interface and tells its kind, "" if it has none.
func decodeInterface(m netlink.Message) (i Interface, kind string, err error) {
	if len(m.Data) < linkHeader {
		return i, "", fmt.Errorf("%w: an interface has %d bytes, expected at least %d", netlink.ErrMalformed, len(m.Data), linkHeader)
	}
	var info, data []byte
	err = errors.Join(
		netlink.Attributes(m.Data[linkHeader:], func(attr uint16, value []byte) {
			switch attr {
			case attrName:
				i.Name = text(value)
			case attrLinkInfo:
				info = value
			}
		}),
		netlink.Attributes(info, func(attr uint16, value []byte) {
			switch attr {
			case attrKind:
				kind = text(value)
			case attrData:
				data = value
			}
		}),
	)
	switch kind {
	case "xfrm":
		err = errors.Join(err, netlink.Attributes(data, i.xfrm))
	case "vti", "vti6":
		err = errors.Join(err, netlink.Attributes(data, i.vti))
	}
	return i, kind, err
}

func (i *Interface) xfrm(attr uint16, value []byte) {
	if attr == attrIfID && len(value) >= 4 {
		i.IfID = binary.NativeEndian.Uint32(value)
	}
}

func (i *Interface) vti(attr uint16, value []byte) {
	switch {
	case attr == attrInKey && len(value) >= 4:
		i.InKey = binary.BigEndian.Uint32(value)
	case attr == attrOutKey && len(value) >= 4:
		i.OutKey = binary.BigEndian.Uint32(value)
	case attr == attrLocal:
		i.Local, _ = netip.AddrFromSlice(value)
	case attr == attrRemote:
		i.Remote, _ = netip.AddrFromSlice(value)
	}
}

// text returns a string that ends with a zero byte.
func text(value []byte) string {
	before, _, _ := bytes.Cut(value, []byte{0})
	return string(before)
}
