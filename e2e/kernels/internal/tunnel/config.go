// SPDX-License-Identifier: Apache-2.0

// Package tunnel builds real IPsec tunnels between the lab's two sides: each runs
// an IKE daemon, strongSwan's charon or libreswan's pluto, and they negotiate with
// IKEv2 and a shared secret. Then it makes the mistakes that operators make, and
// does what happens to tunnels every day.
package tunnel

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"text/template"
)

// network is a side's private network; its first address is the side's.
type network struct{ address, net string }

var (
	hereNetwork  = network{"10.1.0.1", "10.1.0.0/24"}
	thereNetwork = network{"10.2.0.1", "10.2.0.0/24"}

	hereOther  = network{"10.3.0.1", "10.3.0.0/24"}
	thereOther = network{"10.4.0.1", "10.4.0.0/24"}

	hereIPv6  = network{"fd01::1", "fd01::/64"}
	thereIPv6 = network{"fd02::1", "fd02::/64"}
)

const hour = 3600

// shared is what both sides know.
const shared = "not a secret, but long enough for all"

// settings are what differs from tunnel to tunnel in a side's configuration.
type settings struct {
	// local and remote are the addresses of the daemons.
	local, remote net.IP
	// children are the pairs of associations to ask for.
	children []child
	// trap installs policies before there is a tunnel; the first packet asks for it.
	trap bool
	// rekey is after how many seconds the associations are replaced, 0 for the
	// default of an hour.
	rekey int
	// encap forces UDP encapsulation, as behind a NAT.
	encap bool
	// transport is the mode between the daemons' own addresses, without selectors.
	transport bool
	// secret and cipher are others than usual.
	secret, cipher string
	// ifID and mark are those of the associations and the policies, 0 for none.
	ifID, mark int
}

// child is a pair of associations.
type child struct {
	name string
	// localNet and remoteNet are the traffic selectors.
	localNet, remoteNet string
	// reqid is set in the configuration, 0 leaves it to the daemon.
	reqid int
}

// one is the only child between two networks.
func one(local, remote string) []child {
	return []child{{name: "net", localNet: local, remoteNet: remote}}
}

// write fills in the configuration of a daemon.
func (s settings) write(configuration *template.Template, name string) error {
	type exported struct {
		Name, LocalNet, RemoteNet string
		Reqid                     int
	}
	var children []exported
	for _, c := range s.children {
		children = append(children, exported{c.name, c.localNet, c.remoteNet, c.reqid})
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("configuring a daemon: %w", err)
	}
	defer file.Close()
	err = configuration.Execute(file, map[string]any{
		"Local": s.local, "Remote": s.remote, "Encap": s.encap, "Transport": s.transport,
		"Rekey": cmp.Or(s.rekey, hour), "Lifetime": cmp.Or(s.rekey, hour) + 1,
		"IfID": s.ifID, "Mark": s.mark, "Trap": s.trap, "Cipher": s.cipher, "Secret": cmp.Or(s.secret, shared), "Children": children,
	})
	if err != nil {
		return fmt.Errorf("configuring a daemon: %w", err)
	}
	return nil
}

// empty makes an empty directory.
func empty(dir string) error { return errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o750)) }
