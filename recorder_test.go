// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/causes"
	"github.com/xfrmreceiver/xfrmreceiver/internal/drops"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// withAllEvents returns a configuration with all events.
func withAllEvents() *Config {
	cfg := newDefaultConfig()
	for _, event := range []*metadata.EventConfig{
		&cfg.Events.XfrmAcquire, &cfg.Events.XfrmEventsLost, &cfg.Events.XfrmMappingChanged,
		&cfg.Events.XfrmPacketDropped, &cfg.Events.XfrmPolicyChanged, &cfg.Events.XfrmSaCreated,
		&cfg.Events.XfrmSaDeleted, &cfg.Events.XfrmSaExpired,
	} {
		event.Enabled = true
	}
	return cfg
}

func newTestRecorder(cfg *Config) *recorder {
	return newRecorder(receivertest.NewNopSettings(metadata.Type), cfg)
}

// taken are the records, finished.
func taken(r *recorder, now time.Time) []plog.LogRecord {
	logs := r.take(now).logs
	finish(logs, now)
	return records(logs)
}

func records(logs plog.Logs) []plog.LogRecord {
	var all []plog.LogRecord
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				all = append(all, record)
			}
		}
	}
	return all
}

var (
	hereAddr  = netip.MustParseAddr("192.0.2.1")
	thereAddr = netip.MustParseAddr("198.51.100.2")
)

// inbound is an association, and what its record has of its tunnel.
func inbound() (causes.Association, map[string]any) {
	a := causes.Association{
		SA: xfrmnl.SA{
			ID:     xfrmnl.ID{Destination: hereAddr, SPI: 0xc0ffee, Protocol: xfrmnl.ProtocolESP, Mark: 42, MarkMask: 0xff},
			Source: thereAddr, Mode: 1, ReqID: 7, IfID: 9,
			Figures: xfrmnl.Figures{Bytes: 4692, Packets: 51},
		},
		Direction: tunnel.Inbound, Interface: "ipsec0",
	}
	a.Tunnel = tunnel.KeyOf(&a.SA, a.Direction)
	return a, map[string]any{
		"direction": "inbound", "network.local.address": "192.0.2.1", "network.peer.address": "198.51.100.2",
		"xfrm.protocol": "esp", "xfrm.mode": "tunnel", "xfrm.reqid": int64(7), "xfrm.if_id": int64(9),
		"xfrm.mark": "0x2a/0xff", "network.interface.name": "ipsec0", "xfrm.spi": int64(0xc0ffee),
	}
}

func with(all map[string]any, more map[string]any) map[string]any {
	merged := map[string]any{}
	for _, m := range []map[string]any{all, more} {
		for key, value := range m {
			if merged[key] = value; value == nil {
				delete(merged, key)
			}
		}
	}
	return merged
}

func TestEachEventHasItsRecord(t *testing.T) {
	const info, warn = plog.SeverityNumberInfo, plog.SeverityNumberWarn
	association, ofTunnel := inbound()
	outbound := association
	outbound.Destination, outbound.Source = thereAddr, hereAddr
	outbound.Direction, outbound.IfID, outbound.Mark, outbound.MarkMask, outbound.Interface = tunnel.Outbound, 0, 0, 0, ""
	outbound.Tunnel = tunnel.KeyOf(&outbound.SA, outbound.Direction)
	unknown := outbound
	unknown.Direction = tunnel.Unknown
	ofOutbound := with(ofTunnel, map[string]any{"direction": "outbound", "xfrm.if_id": nil, "xfrm.mark": nil, "network.interface.name": nil})
	used := map[string]any{"xfrm.bytes": int64(4692), "xfrm.packets": int64(51)}
	aged := func(a causes.Association, hard, soft xfrmnl.Limits) causes.Association {
		a.Limits, a.SoftLimits = hard, soft
		a.Added = uint64(time.Now().Unix()) + 1000 // in the future: the age is 0 for sure
		return a
	}
	flow := xfrmnl.Selector{
		Source: netip.MustParsePrefix("10.1.0.1/32"), Destination: netip.MustParsePrefix("10.2.0.1/32"),
		SourcePort: 4444, DestinationPort: 53, Protocol: 17,
	}
	ping := flow
	ping.Protocol, ping.SourcePort, ping.DestinationPort = 1, 8, 0
	template := xfrmnl.Template{Source: hereAddr, Destination: thereAddr, Protocol: 50, Mode: 1, ReqID: 7}
	acquire := xfrmnl.Acquire{Flow: flow, Policy: xfrmnl.Policy{Index: 81, Direction: xfrmnl.PolicyOut}, Missing: template}
	ofAcquire := map[string]any{
		"xfrm.acquire.state": "waiting", "source.address": "10.1.0.1", "source.port": int64(4444),
		"destination.address": "10.2.0.1", "destination.port": int64(53), "network.transport": "udp",
		"xfrm.policy.index": int64(81), "direction": "outbound", "network.peer.address": "198.51.100.2", "xfrm.reqid": int64(7),
	}
	policy := xfrmnl.Policy{
		Direction: xfrmnl.PolicyForward,
		Selector:  xfrmnl.Selector{Source: netip.MustParsePrefix("10.1.0.0/16"), Destination: netip.MustParsePrefix("::/0"), Protocol: 47, SourcePort: 1, DestinationPort: 2},
		Templates: []xfrmnl.Template{
			{Source: hereAddr, Destination: thereAddr, Protocol: 108, Mode: 0, Optional: true}, template,
		},
	}
	when := time.UnixMilli(1_795_578_981_763)
	drop := func(reason string, direction xfrmstat.Direction) audit.Drop {
		return audit.Drop{
			Time: when, Direction: direction, Reason: reason, Source: thereAddr, Destination: hereAddr,
			SPI: 0x1000, HasSPI: true, Sequence: 7, HasSequence: true,
		}
	}
	ofDrop := map[string]any{
		"direction": "inbound", "network.local.address": "192.0.2.1", "network.peer.address": "198.51.100.2",
		"xfrm.spi": int64(0x1000), "xfrm.sequence.first": int64(7), "xfrm.sequence.last": int64(7), "xfrm.event.count": int64(1),
	}

	for _, test := range []struct {
		name       string
		record     func(*recorder)
		event      string
		severity   plog.SeverityNumber
		body       string
		attributes map[string]any
	}{
		{
			"acquire", func(r *recorder) { r.Acquire(acquire, false) }, "xfrm.acquire", info,
			"udp packets from 10.1.0.1 port 4444 to 10.2.0.1 port 53 need a security association with 198.51.100.2, and there is none yet",
			ofAcquire,
		},
		{
			"acquire, unanswered", func(r *recorder) { r.Acquire(acquire, true) }, "xfrm.acquire", warn,
			"udp packets from 10.1.0.1 port 4444 to 10.2.0.1 port 53 got no security association with 198.51.100.2: no IKE daemon set one up in time",
			with(ofAcquire, map[string]any{"xfrm.acquire.state": "unanswered"}),
		},
		{
			"acquire, ICMP has no ports, no template", func(r *recorder) { r.Acquire(xfrmnl.Acquire{Flow: ping, Policy: acquire.Policy}, false) }, "xfrm.acquire", info,
			"icmp packets from 10.1.0.1 to 10.2.0.1 need a security association with an unknown peer, and there is none yet",
			with(ofAcquire, map[string]any{
				"source.port": nil, "destination.port": nil, "network.transport": "icmp", "network.peer.address": nil, "xfrm.reqid": nil,
			}),
		},
		{
			"acquire of an interface", func(r *recorder) {
				one := acquire
				one.Policy.IfID, one.Policy.Mark = 42, 7
				r.Acquire(one, false)
			}, "xfrm.acquire", info,
			"udp packets from 10.1.0.1 port 4444 to 10.2.0.1 port 53 need a security association with 198.51.100.2, and there is none yet",
			with(ofAcquire, map[string]any{"xfrm.if_id": int64(42), "xfrm.mark": "0x7/0"}),
		},
		{
			"created", func(r *recorder) { r.Created(association) }, "xfrm.sa.created", info,
			"the esp security association from 198.51.100.2 to 192.0.2.1 (SPI 0x00c0ffee, reqid 7) was created",
			ofTunnel,
		},
		{
			"deleted", func(r *recorder) { r.Deleted(outbound) }, "xfrm.sa.deleted", info,
			"the esp security association from 192.0.2.1 to 198.51.100.2 (SPI 0x00c0ffee, reqid 7) was deleted after 51 packets and 4692 bytes",
			with(ofOutbound, used),
		},
		{
			"deleted, direction unknown", func(r *recorder) { r.Deleted(unknown) }, "xfrm.sa.deleted", info,
			"the esp security association between 192.0.2.1 and 198.51.100.2 (SPI 0x00c0ffee, reqid 7) was deleted after 51 packets and 4692 bytes",
			with(with(ofOutbound, used), map[string]any{"direction": "unknown"}),
		},
		{
			"all of a protocol flushed", func(r *recorder) { r.Flushed(xfrmnl.ProtocolAH) }, "xfrm.sa.deleted", info,
			"all ah security associations were deleted at once (flushed)",
			map[string]any{"direction": "unknown", "xfrm.protocol": "ah"},
		},
		{
			"all flushed", func(r *recorder) { r.Flushed(255) }, "xfrm.sa.deleted", info,
			"all security associations were deleted at once (flushed)",
			map[string]any{"direction": "unknown"},
		},
		{
			"expired, hard", func(r *recorder) { r.Expired(aged(association, xfrmnl.Limits{Packets: 51}, xfrmnl.Limits{}), true) }, "xfrm.sa.expired", warn,
			"the esp security association from 198.51.100.2 to 192.0.2.1 (SPI 0x00c0ffee, reqid 7) has ended: it reached its hard limit of packets after 51 packets and 4692 bytes",
			with(with(ofTunnel, used), map[string]any{"xfrm.hard": true, "xfrm.limit": "packets", "xfrm.age": int64(0)}),
		},
		{
			"expired, soft", func(r *recorder) { r.Expired(aged(outbound, xfrmnl.Limits{}, xfrmnl.Limits{Bytes: 4000}), false) }, "xfrm.sa.expired", info,
			"the esp security association from 192.0.2.1 to 198.51.100.2 (SPI 0x00c0ffee, reqid 7) reached its soft limit of bytes after 51 packets and 4692 bytes: the IKE daemon should replace it",
			with(with(ofOutbound, used), map[string]any{"xfrm.hard": false, "xfrm.limit": "bytes", "xfrm.age": int64(0)}),
		},
		{
			"expired, nothing tells why", func(r *recorder) { r.Expired(aged(outbound, xfrmnl.Limits{}, xfrmnl.Limits{}), true) }, "xfrm.sa.expired", warn,
			"the esp security association from 192.0.2.1 to 198.51.100.2 (SPI 0x00c0ffee, reqid 7) has ended: it reached its hard limit of an unknown kind after 51 packets and 4692 bytes",
			with(with(ofOutbound, used), map[string]any{"xfrm.hard": true, "xfrm.limit": "unknown", "xfrm.age": int64(0)}),
		},
		{
			"mapping", func(r *recorder) {
				r.Mapping(xfrmnl.Mapping{
					ID: association.ID, ReqID: 7,
					Old: netip.AddrPortFrom(thereAddr, 4500), New: netip.MustParseAddrPort("203.0.113.9:40000"),
				})
			}, "xfrm.mapping.changed", info,
			"packets with SPI 0x00c0ffee come from 203.0.113.9 port 40000 now, and came from 198.51.100.2 port 4500 before: a NAT or the peer has moved",
			map[string]any{
				"network.local.address": "192.0.2.1", "network.peer.address": "203.0.113.9", "network.peer.port": int64(40000),
				"xfrm.peer.previous_address": "198.51.100.2", "xfrm.peer.previous_port": int64(4500),
				"xfrm.spi": int64(0xc0ffee), "xfrm.reqid": int64(7), "xfrm.protocol": "esp",
			},
		},
		{
			"policy with templates", func(r *recorder) { r.Policy(xfrmnl.PolicyUpdated, policy) }, "xfrm.policy.changed", info,
			"the forward policy for IP protocol 47 packets from 10.1.0.0/16 to ::/0 was updated (allow through " +
				"src 192.0.2.1 dst 198.51.100.2 proto ipcomp reqid 0 mode transport level use, then " +
				"src 192.0.2.1 dst 198.51.100.2 proto esp reqid 7 mode tunnel)",
			map[string]any{
				"xfrm.policy.change": "updated", "direction": "forward", "source.address": "10.1.0.0/16", "destination.address": "::/0",
				"network.transport": "47", "xfrm.policy.action": "allow", "xfrm.policy.templates": []any{
					"src 192.0.2.1 dst 198.51.100.2 proto ipcomp reqid 0 mode transport level use",
					"src 192.0.2.1 dst 198.51.100.2 proto esp reqid 7 mode tunnel",
				},
			},
		},
		{
			"policy of an interface", func(r *recorder) {
				r.Policy(xfrmnl.PolicyAdded, xfrmnl.Policy{Direction: xfrmnl.PolicyOut, IfID: 42, Mark: 0x2a, MarkMask: 0xff})
			}, "xfrm.policy.changed", info,
			"the outbound policy for packets from any address to any address was created (allow, if_id 42, mark 0x2a/0xff)",
			map[string]any{
				"xfrm.policy.change": "created", "direction": "outbound", "xfrm.policy.action": "allow",
				"xfrm.if_id": int64(42), "xfrm.mark": "0x2a/0xff",
			},
		},
		{
			"policy that blocks all", func(r *recorder) { r.Policy(xfrmnl.PolicyDeleted, xfrmnl.Policy{Blocks: true}) }, "xfrm.policy.changed", info,
			"the inbound policy for packets from any address to any address was deleted (block)",
			map[string]any{"xfrm.policy.change": "deleted", "direction": "inbound", "xfrm.policy.action": "block"},
		},
		{
			"policies flushed", func(r *recorder) { r.Policy(xfrmnl.PoliciesFlushed, xfrmnl.Policy{}) }, "xfrm.policy.changed", info,
			"all policies were deleted at once (flushed)",
			map[string]any{"xfrm.policy.change": "flushed"},
		},
		{
			"dropped, no_states", func(r *recorder) { r.drop(drop("no_states", xfrmstat.Inbound)) }, "xfrm.packet.dropped", warn,
			"1 packet from 198.51.100.2 was dropped: there is no security association with SPI 0x00001000",
			with(ofDrop, map[string]any{"reason": "no_states"}),
		},
		{
			"dropped, without an SPI", func(r *recorder) {
				d := drop("no_states", xfrmstat.Inbound)
				d.HasSPI, d.HasSequence = false, false
				r.drop(d)
			}, "xfrm.packet.dropped", warn,
			"1 packet from 198.51.100.2 was dropped: there is no security association",
			with(ofDrop, map[string]any{"reason": "no_states", "xfrm.spi": nil, "xfrm.sequence.first": nil, "xfrm.sequence.last": nil}),
		},
		{
			"dropped, state_proto_error", func(r *recorder) { r.drop(drop("state_proto_error", xfrmstat.Inbound)) }, "xfrm.packet.dropped", warn,
			"1 packet from 198.51.100.2 was dropped: the integrity check of the security association with SPI 0x00001000 failed",
			with(ofDrop, map[string]any{"reason": "state_proto_error"}),
		},
		{
			"dropped, state_seq_error", func(r *recorder) { r.drop(drop("state_seq_error", xfrmstat.Inbound)) }, "xfrm.packet.dropped", warn,
			"1 packet from 198.51.100.2 was dropped: the security association with SPI 0x00001000 saw the sequence number before, or it is too old",
			with(ofDrop, map[string]any{"reason": "state_seq_error"}),
		},
		{
			"dropped, outbound", func(r *recorder) { r.drop(drop("state_seq_error", xfrmstat.Outbound)) }, "xfrm.packet.dropped", warn,
			"1 packet to 192.0.2.1 was dropped: the sequence numbers of the security association with SPI 0x00001000 are used up",
			with(ofDrop, map[string]any{
				"reason": "state_seq_error", "direction": "outbound",
				"network.local.address": "198.51.100.2", "network.peer.address": "192.0.2.1",
			}),
		},
		{
			"lost by the kernel", func(r *recorder) { r.lost(metadata.AttributeEventSourceXfrm, 0) }, "xfrm.events.lost", warn,
			"NETLINK_XFRM events were lost; the metrics are not affected",
			map[string]any{"xfrm.event.source": "xfrm"},
		},
		{
			"lost by audit", func(r *recorder) { r.lost(metadata.AttributeEventSourceAudit, 3) }, "xfrm.events.lost", warn,
			"3 audit records were lost, of any kind; the metrics are not affected",
			map[string]any{"xfrm.event.source": "audit", "xfrm.event.count": int64(3)},
		},
		{
			"lost by this receiver", func(r *recorder) { r.lost(metadata.AttributeEventSourceReceiver, 1) }, "xfrm.events.lost", warn,
			"1 log record was dropped, the next component did not take more; the metrics are not affected",
			map[string]any{"xfrm.event.source": "receiver", "xfrm.event.count": int64(1)},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newTestRecorder(withAllEvents())
			before := time.Now()
			test.record(r)
			now := time.Now()
			all := taken(r, now)
			require.Len(t, all, 1)
			record := all[0]
			assert.Equal(t, test.event, record.EventName())
			assert.Equal(t, test.severity, record.SeverityNumber())
			assert.Equal(t, test.severity.String(), record.SeverityText())
			assert.Equal(t, test.body, record.Body().Str())
			assert.Equal(t, test.attributes, record.Attributes().AsRaw())
			assert.Equal(t, now.UnixNano(), record.ObservedTimestamp().AsTime().UnixNano())
			at := record.Timestamp().AsTime()
			if test.event == "xfrm.packet.dropped" {
				assert.Equal(t, when.UnixNano(), at.UnixNano(), "of the kernel's record")
			} else {
				assert.False(t, at.Before(before) || at.After(now))
			}
		})
	}
}

// A policy that reached a soft limit has not changed.
func TestASoftLimitOfAPolicyIsNoEvent(t *testing.T) {
	r := newTestRecorder(withAllEvents())
	r.Policy(xfrmnl.PolicyExpiredSoft, xfrmnl.Policy{})
	assert.Empty(t, taken(r, time.Now()))
	r.Policy(xfrmnl.PolicyExpiredHard, xfrmnl.Policy{})
	assert.Len(t, taken(r, time.Now()), 1)
}

// aDrop is a drop of a kind of its own.
func aDrop(kind int, at time.Time) audit.Drop {
	return audit.Drop{
		Time: at, Direction: xfrmstat.Inbound, Reason: "no_states", Destination: hereAddr,
		Source: netip.AddrFrom4([4]byte{10, byte(kind >> 16), byte(kind >> 8), byte(kind)}), SPI: 1, HasSPI: true,
	}
}

func TestRecordsAreInTheOrderOfTheirTimes(t *testing.T) {
	r := newTestRecorder(withAllEvents())
	r.Flushed(0)
	r.Policy(xfrmnl.PoliciesFlushed, xfrmnl.Policy{})
	r.Created(causes.Association{})
	for i := range 3 { // older than all
		r.drop(aDrop(i, time.UnixMilli(int64(5-i))))
	}
	all := taken(r, time.Now())
	var names []string
	for i, record := range all {
		names = append(names, record.EventName())
		if i > 0 {
			assert.LessOrEqual(t, all[i-1].Timestamp(), record.Timestamp())
		}
	}
	assert.Equal(t, []string{
		"xfrm.packet.dropped", "xfrm.packet.dropped", "xfrm.packet.dropped", "xfrm.sa.deleted", "xfrm.policy.changed", "xfrm.sa.created",
	}, names)
}

func TestDropsBeyondTheLimitAreToldTogether(t *testing.T) {
	cfg := withAllEvents()
	cfg.Logs.Limit = 2
	r := newTestRecorder(cfg)
	for i := range 7 {
		r.drop(aDrop(i, time.UnixMilli(int64(i))))
	}
	require.Len(t, taken(r, time.Now()), 2, "the first of their kind leave at once")
	r.drop(aDrop(0, time.UnixMilli(9)))
	require.Empty(t, taken(r, time.Now()), "further ones of a kind leave together")
	r.flush()
	bodies := map[string]map[string]any{}
	for _, record := range taken(r, time.Now()) {
		bodies[record.Body().Str()] = record.Attributes().AsRaw()
	}
	assert.Equal(t, map[string]map[string]any{
		"1 packet from 10.0.0.0 was dropped: there is no security association with SPI 0x00000001": {
			"direction": "inbound", "reason": "no_states", "network.local.address": "192.0.2.1",
			"network.peer.address": "10.0.0.0", "xfrm.spi": int64(1), "xfrm.event.count": int64(1),
		},
		"5 packets from 5 peers were dropped (inbound no_states); they are counted together because more different ones came than logs::limit": {
			"direction": "inbound", "reason": "no_states", "xfrm.event.count": int64(5), "xfrm.event.peers": int64(5),
		},
	}, bodies)

	for i := range drops.MaxPeers + 10 {
		r.drop(aDrop(i, time.UnixMilli(int64(i))))
	}
	r.flush()
	all := taken(r, time.Now())
	assert.Contains(t, all[len(all)-1].Body().Str(), "packets from at least 10000 peers were dropped")
}

// The memory for records is bounded, and what found no room is counted.
func TestPendingRecordsAreBounded(t *testing.T) {
	for name, record := range map[string]func(*recorder){
		"Acquire": func(r *recorder) { r.Acquire(xfrmnl.Acquire{}, false) },
		"Created": func(r *recorder) { r.Created(causes.Association{}) },
		"Deleted": func(r *recorder) { r.Deleted(causes.Association{}) },
		"Flushed": func(r *recorder) { r.Flushed(0) },
		"Expired": func(r *recorder) { r.Expired(causes.Association{}, true) },
		"Mapping": func(r *recorder) { r.Mapping(xfrmnl.Mapping{}) },
		"Policy":  func(r *recorder) { r.Policy(xfrmnl.PolicyAdded, xfrmnl.Policy{}) },
		"drops":   func(r *recorder) { r.recordDrops(drops.Record{}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestRecorder(withAllEvents())
			for range maxPending {
				record(r)
			}
			assert.False(t, r.isDropping())
			for range 3 {
				record(r)
			}
			for range 1000 { // these do not add up
				r.lost(metadata.AttributeEventSourceXfrm, 0)
				r.lost(metadata.AttributeEventSourceAudit, 2)
				r.lost(metadata.AttributeEventSourceAudit, 0)
			}
			assert.True(t, r.isDropping())
			all := taken(r, time.Now())
			require.Len(t, all, maxPending+4)
			assert.ElementsMatch(t, []map[string]any{
				{"xfrm.event.source": "receiver", "xfrm.event.count": int64(3)},
				{"xfrm.event.source": "xfrm"},
				{"xfrm.event.source": "audit", "xfrm.event.count": int64(2000)},
				{"xfrm.event.source": "audit"},
			}, lostOf(all))
			assert.False(t, r.isDropping())
			record(r)
			assert.Len(t, taken(r, time.Now()), 1, "there is room again")
		})
	}
}

// An OTLP receiver refuses a gRPC message above 4 MiB by default, and with it all
// records.
func TestABatchFitsInAMessage(t *testing.T) {
	association, _ := inbound()
	r := newTestRecorder(withAllEvents())
	for range maxPending {
		r.Expired(association, true)
	}
	batch := r.take(time.Now())
	finish(batch.logs, time.Now())
	assert.Less(t, new(plog.ProtoMarshaler).LogsSize(batch.logs), 4<<20)
}

// lostOf are the attributes of xfrm.events.lost.
func lostOf(all []plog.LogRecord) []map[string]any {
	var lost []map[string]any
	for _, record := range all {
		if record.EventName() == "xfrm.events.lost" {
			lost = append(lost, record.Attributes().AsRaw())
		}
	}
	return lost
}

// What is refused is counted, and what it told about losses is told again.
func TestRefusedRecordsAreCounted(t *testing.T) {
	r := newTestRecorder(withAllEvents())
	r.Flushed(0)
	r.Flushed(0)
	r.lost(metadata.AttributeEventSourceAudit, 5)
	r.lost(metadata.AttributeEventSourceXfrm, 0)
	for range 3 { // a batch of losses alone loses nothing more
		r.refused(r.take(time.Now()))
		r.flush()
	}
	r.lost(metadata.AttributeEventSourceAudit, 1)
	assert.ElementsMatch(t, []map[string]any{
		{"xfrm.event.source": "receiver", "xfrm.event.count": int64(2)},
		{"xfrm.event.source": "audit", "xfrm.event.count": int64(6)},
		{"xfrm.event.source": "xfrm"},
	}, lostOf(taken(r, time.Now())))
}

// A flood that the kernel or the next component cannot keep up with must not become a
// flood of records about it.
func TestLossesAreSaidOnceInAnInterval(t *testing.T) {
	r := newTestRecorder(withAllEvents())
	lose := func() []map[string]any {
		r.lost(metadata.AttributeEventSourceAudit, 0)
		r.lost(metadata.AttributeEventSourceReceiver, 2)
		return lostOf(taken(r, time.Now()))
	}
	said := func(n int64) []map[string]any {
		return []map[string]any{{"xfrm.event.source": "audit"}, {"xfrm.event.source": "receiver", "xfrm.event.count": n}}
	}
	assert.ElementsMatch(t, said(2), lose(), "the first at once")
	for range 100 {
		require.Empty(t, lose())
	}
	assert.True(t, r.isDropping())
	r.flush()
	assert.ElementsMatch(t, said(202), lose())
	assert.False(t, r.isDropping())
	r.flush()
	assert.Empty(t, taken(r, time.Now()))
	assert.ElementsMatch(t, said(2), lose(), "again the first")
}

// A selector has type and code, parts of a key or nothing in the place of ports.
func TestProtocolsWithoutPorts(t *testing.T) {
	var without []string
	for protocol := range 256 {
		if !hasPorts(uint8(protocol)) {
			without = append(without, transport(uint8(protocol)))
		}
	}
	assert.Equal(t, []string{"icmp", "47", "ipv6-icmp", "135"}, without)
}
