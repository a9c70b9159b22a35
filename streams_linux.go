// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/causes"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// newStreams returns what the enabled events need. Nothing else is listened to.
func newStreams(cfg *Config, source *netns.Source) []*stream {
	var streams []*stream
	wants := causes.Wants{
		Acquires: cfg.Events.XfrmAcquire.Enabled,
		Created:  cfg.Events.XfrmSaCreated.Enabled,
		Deleted:  cfg.Events.XfrmSaDeleted.Enabled,
		Expired:  cfg.Events.XfrmSaExpired.Enabled,
		Mappings: cfg.Events.XfrmMappingChanged.Enabled,
		Policies: cfg.Events.XfrmPolicyChanged.Enabled,
	}
	if wants != (causes.Wants{}) {
		streams = append(streams, &stream{
			source: metadata.AttributeEventSourceXfrm,
			open:   func() (events, error) { return openXfrm(source, wants) },
		})
	}
	if cfg.Events.XfrmPacketDropped.Enabled {
		// With root_path the host's namespaces are those of its PID 1.
		ownNamespace := cfg.RootPath == ""
		streams = append(streams, &stream{
			source: metadata.AttributeEventSourceAudit,
			open:   func() (events, error) { return openAudit(source, ownNamespace) },
		})
	}
	return streams
}

// xfrmEvents are those of NETLINK_XFRM.
type xfrmEvents struct {
	*causes.Listener
	source *netns.Source
	// joining is held while the group ACQUIRE is joined or left.
	joining sync.Mutex
}

func openXfrm(source *netns.Source, wants causes.Wants) (*xfrmEvents, error) {
	e := &xfrmEvents{source: source}
	err := source.InMain(func(m netns.Main) (err error) {
		e.Listener, err = causes.Listen(m, wants)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w; all events except xfrm.packet.dropped are missing", err)
	}
	return e, nil
}

// Drain implements events. It leaves the group ACQUIRE with the first acquire that
// comes after the IKE daemon has ended: the next tick may be too late for a daemon
// that starts again, which the kernel does not ask for what is larval already.
func (e *xfrmEvents) Drain(r *recorder) (overrun bool, err error) {
	overrun, err = e.Listener.Drain(r)
	if e.HasAcquired() {
		_, _ = e.joinAcquires() // the next tick reports the error
	}
	return overrun, err
}

var errNoAcquires = condition{zapcore.InfoLevel, "No xfrm.acquire events: no IKE daemon listens to acquires, and this receiver does " +
	"not do so alone, because it would change what the kernel does with packets that wait for a security association"}

// Tick looks whether an IKE daemon listens to acquires.
func (e *xfrmEvents) Tick(context.Context) (int64, error) {
	if !e.WantsAcquires() {
		return 0, nil
	}
	joined, err := e.joinAcquires()
	if err == nil && !joined {
		err = errNoAcquires
	}
	return 0, err
}

func (e *xfrmEvents) joinAcquires() (joined bool, err error) {
	e.joining.Lock()
	defer e.joining.Unlock()
	err = e.source.InMain(func(m netns.Main) error {
		table, err := m.ReadFile("netlink")
		if err == nil {
			joined, err = e.JoinAcquires(table)
		}
		return err
	})
	return joined, err
}

// auditEvents are audit records about dropped packets.
type auditEvents struct {
	*audit.Listener
	source *netns.Source
	// findOut finds out whether audit is on without the capability to ask.
	findOut func(context.Context, netns.Sockets) (bool, error)
	// isOn says that it found that audit is on, or that a record has arrived.
	isOn atomic.Bool
	// lost is how many records the kernel had lost at the last tick.
	lost    uint32
	hasLost bool
}

var errOtherNamespace = errors.New("the kernel delivers audit records in the initial network namespace only: " +
	"run the collector there (in Kubernetes with hostNetwork), or set root_path")

func openAudit(source *netns.Source, ownNamespace bool) (*auditEvents, error) {
	e := &auditEvents{source: source, findOut: audit.IsOn}
	err := source.InMain(func(m netns.Main) (err error) {
		if ownNamespace && !audit.HasInitialNamespace("/proc") {
			return errOtherNamespace
		}
		e.Listener, err = audit.Listen(m)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w; xfrm.packet.dropped events are missing", err)
	}
	return e, nil
}

// Drain implements events.
func (e *auditEvents) Drain(r *recorder) (overrun bool, err error) {
	return e.Listener.Drain(func(d audit.Drop) {
		e.isOn.Store(true)
		r.drop(d)
	})
}

// Close implements events.
func (e *auditEvents) Close() { _ = e.Listener.Close() }

var errAuditOff = condition{zapcore.WarnLevel, "No xfrm.packet.dropped events: audit is off. auditd and `auditctl -e 1` " +
	"switch it on, see docs/causes.md; this receiver never does"}

// Tick looks whether audit is on, and how many records the kernel has lost.
func (e *auditEvents) Tick(ctx context.Context) (lost int64, err error) {
	var status audit.Status
	err = e.source.InMain(func(m netns.Main) (err error) {
		status, err = e.status(ctx, m)
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case !status.Enabled:
		return 0, errAuditOff
	}
	return e.newlyLost(status.Lost), nil
}

// status asks for the state of audit. That needs a capability of its own. Without
// it, only whether audit is on is found out, and no more once it was on: each time
// would leave records in the audit log.
func (e *auditEvents) status(ctx context.Context, m netns.Main) (audit.Status, error) {
	status, err := audit.GetStatus(ctx, m)
	if !errors.Is(err, audit.ErrStatusNotPermitted) {
		return status, err
	}
	if !e.isOn.Load() {
		isOn, err := e.findOut(ctx, m)
		if err != nil {
			return audit.Status{}, err
		}
		if isOn { // a record may have arrived in the meantime
			e.isOn.Store(true)
		}
	}
	return audit.Status{Enabled: e.isOn.Load()}, nil
}

// newlyLost returns how many records have been lost since the last tick.
func (e *auditEvents) newlyLost(all uint32) int64 {
	before := e.lost
	if !e.hasLost {
		before = all
	}
	if all < before { // somebody has reset it (auditctl --reset-lost)
		before = 0
	}
	e.lost, e.hasLost = all, true
	return int64(all - before)
}
