// SPDX-License-Identifier: Apache-2.0

package associations

import (
	"errors"
	"fmt"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// Options say what is read.
type Options struct {
	// Counts are the numbers of associations and of policies.
	Counts bool
	// Tunnels are the sums of associations, within these limits.
	Tunnels bool
	Limits  tunnel.Options
}

// Namespace is what is known of the associations and policies of one network
// namespace.
type Namespace struct {
	// Associations and Policies are valid if Counted is set.
	Counted      bool
	Associations uint32
	Policies     xfrmnl.PolicyCounts
	// Tunnels is valid if Dumped is set.
	Dumped  bool
	Tunnels *tunnel.Accumulator

	// scrape is the last one that found the namespace.
	scrape uint64
}

var (
	// ErrNotPermitted says that this process lacks the capability to ask for
	// associations and policies.
	ErrNotPermitted = errors.New("reading security associations and policies requires the capability CAP_NET_ADMIN " +
		"in the user namespace that owns the network namespace")

	// ErrNoXfrmUser says that the kernel does not answer about associations and
	// policies.
	ErrNoXfrmUser = errors.New("the kernel has no NETLINK_XFRM (CONFIG_XFRM_USER, module xfrm_user)")

	// ErrOverrun says that events came faster than they were read. What an
	// association counted between the last scrape and its end may be lost.
	ErrOverrun = errors.New("the kernel dropped events of security associations (ENOBUFS)")

	// ErrTunnelLimit says that there are more tunnels than the limit.
	ErrTunnelLimit = fmt.Errorf("more tunnels than tunnels::limit, or than %d in a namespace that has no name but a process.pid; "+
		"the others are counted together, with otel.metric.overflow", MaxTunnelsByPID)

	// ErrAssociationLimit says that there are more associations than
	// tunnel.MaxAssociations.
	ErrAssociationLimit = errors.New("more than 50000 security associations; the others are counted in xfrm.sa.count alone")
)

// MaxTunnelsByPID bounds the tunnels of each namespace that only process.pid
// identifies. Any local user can make such namespaces, and tunnels in them.
const MaxTunnelsByPID = 20

// namespaces are those that are known.
type namespaces struct {
	known  map[*netns.Namespace]*Namespace
	scrape uint64
	limits tunnel.Options
}

// of returns what is known of a namespace.
func (n *namespaces) of(ns *netns.Namespace) *Namespace {
	one := n.known[ns]
	if one == nil {
		limits := n.limits
		if ns.PID != 0 {
			limits.Limit = min(limits.Limit, MaxTunnelsByPID)
		}
		one = &Namespace{Tunnels: tunnel.New(limits)}
		n.known[ns] = one
	}
	one.scrape = n.scrape
	return one
}

// Keep notes that a namespace still exists although it was not read.
func (n *namespaces) Keep(ns *netns.Namespace) {
	if one := n.known[ns]; one != nil {
		one.scrape = n.scrape
	}
}

// EndScrape forgets the namespaces that two scrapes have not found. One alone may
// have been unable to list them, and tunnels would lose their sums.
func (n *namespaces) EndScrape() {
	for ns, one := range n.known {
		if one.scrape+1 < n.scrape {
			delete(n.known, ns)
		}
	}
	n.scrape++
}

func newNamespaces(limits tunnel.Options) namespaces {
	return namespaces{known: make(map[*netns.Namespace]*Namespace), limits: limits}
}
