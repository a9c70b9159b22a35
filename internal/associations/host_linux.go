// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"context"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/rtnetlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
)

// Host implements tunnel.Host. It asks the kernel once, when it is first asked
// itself.
type Host struct {
	ctx     context.Context
	sockets netns.Sockets
	conn    *netlink.Conn

	askedAddresses, askedInterfaces bool

	addresses  map[netip.Addr]bool
	interfaces []rtnetlink.Interface
	// err is why something is not known, the first such error.
	err error
}

// IsLocal implements tunnel.Host.
func (h *Host) IsLocal(address netip.Addr) bool {
	if !h.askedAddresses {
		h.askedAddresses = true
		if h.open() {
			var err error
			h.addresses, err = rtnetlink.Addresses(h.ctx, h.conn)
			h.note(err)
		}
	}
	return h.addresses[address]
}

// InterfaceOf implements tunnel.Host.
func (h *Host) InterfaceOf(key tunnel.Key) string {
	if !h.askedInterfaces {
		h.askedInterfaces = true
		if h.open() {
			var err error
			h.interfaces, err = rtnetlink.IPsecInterfaces(h.ctx, h.conn)
			h.note(err)
		}
	}
	for i := range h.interfaces {
		if isOf(&h.interfaces[i], key) {
			return netns.ValidUTF8(h.interfaces[i].Name)
		}
	}
	return ""
}

// isOf reports whether a tunnel is that of an interface: of an xfrm interface by
// its if_id, of a vti interface by its keys, which are the marks, and its addresses
// where it has them.
func isOf(i *rtnetlink.Interface, key tunnel.Key) bool {
	if i.IfID != 0 {
		return i.IfID == key.IfID
	}
	isAt := func(end, address netip.Addr) bool { return !end.IsValid() || end.IsUnspecified() || end == address }
	return key.Mark != 0 && (i.InKey == key.Mark || i.OutKey == key.Mark) &&
		isAt(i.Local, key.Local) && isAt(i.Remote, key.Peer)
}

// NewHost returns a Host. It opens its socket at the first question, unless Open
// does before. From then on it no longer needs sockets.
func NewHost(ctx context.Context, sockets netns.Sockets) *Host {
	return &Host{ctx: ctx, sockets: sockets}
}

// Open opens the socket now, instead of when the first question comes.
func (h *Host) Open() error {
	if !h.open() {
		return h.err
	}
	return nil
}

func (h *Host) open() bool {
	if h.conn != nil {
		return true
	}
	fd, err := Open(h.sockets, unix.NETLINK_ROUTE)
	if err == nil {
		// A buffer of its own: a message of NETLINK_XFRM is being read.
		h.conn, err = netlink.NewConn(fd, netlink.NewBuffer())
	}
	h.note(err)
	return err == nil
}

func (h *Host) note(err error) {
	if h.err == nil && err != nil {
		h.err = fmt.Errorf("NETLINK_ROUTE: %w", err)
	}
}

// Again lets the next question ask the kernel.
func (h *Host) Again() { h.askedAddresses, h.askedInterfaces = false, false }

// Close closes the socket.
func (h *Host) Close() {
	if h.conn != nil {
		_ = h.conn.Close()
	}
}
