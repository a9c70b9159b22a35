// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// noHost knows no address and no interface.
type noHost struct{}

func (noHost) IsLocal(netip.Addr) bool       { return false }
func (noHost) InterfaceOf(tunnel.Key) string { return "" }

// reported is how many of 50 tunnels with a limit of 30 are told apart.
func reported(ns *netns.Namespace) (tunnels int) {
	known := newNamespaces(tunnel.Options{Limit: 30, ForgetAfter: time.Hour})
	a := known.of(ns).Tunnels
	now := time.Unix(1_000_000, 0)
	a.BeginDump(now, noHost{}, false)
	for i := range uint32(50) {
		a.Row(&xfrmnl.SA{
			ID:     xfrmnl.ID{Destination: netip.MustParseAddr("10.0.0.2"), SPI: 256 + i, Protocol: xfrmnl.ProtocolESP},
			Source: netip.MustParseAddr("10.0.0.1"), ReqID: i, Direction: xfrmnl.DirectionOut,
		})
	}
	a.EndDump(now)
	a.Each(now, func(t *tunnel.Tunnel) {
		if !t.Overflow {
			tunnels++
		}
	})
	return tunnels
}

// Any local user can make a namespace that only process.pid identifies, and tunnels in it.
func TestTunnelsOfANamespaceKnownByPID(t *testing.T) {
	assert.Equal(t, 30, reported(&netns.Namespace{}))
	assert.Equal(t, 30, reported(&netns.Namespace{Name: "vpn"}))
	assert.Equal(t, 30, reported(&netns.Namespace{ContainerID: "c"}))
	assert.Equal(t, MaxTunnelsByPID, reported(&netns.Namespace{PID: 4711}))
}
