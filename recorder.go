// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"

	"github.com/xfrmreceiver/xfrmreceiver/internal/audit"
	"github.com/xfrmreceiver/xfrmreceiver/internal/causes"
	"github.com/xfrmreceiver/xfrmreceiver/internal/drops"
	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// maxPending bounds the records that wait for the next component, and so those of one
// batch: an OTLP receiver refuses a gRPC message above 4 MiB by default.
const maxPending = 5000

// recorder turns events into log records with the generated builder. It is not safe
// for concurrent use.
type recorder struct {
	builder *metadata.LogsBuilder
	drops   *drops.Aggregator
	// pending are the records in the builder, without those about losses.
	pending int64
	// losses are what was lost and has not been said. The numbers are 0 for what
	// nobody has counted. hasSaid says that losses were said in this interval:
	// what is lost in the rest of it is said at its end.
	losses  map[loss]int64
	hasSaid bool
}

// loss is what lost events have in common that one record stands for.
type loss struct {
	source    metadata.AttributeEventSource
	isCounted bool
}

// batch are records that have been taken.
type batch struct {
	logs   plog.Logs
	events int64
	losses map[loss]int64
}

var _ causes.Handler = (*recorder)(nil)

func newRecorder(set receiver.Settings, cfg *Config) *recorder {
	return &recorder{
		builder: metadata.NewLogsBuilder(cfg.LogsBuilderConfig, set),
		drops:   drops.New(cfg.Logs.Limit),
		losses:  make(map[loss]int64),
	}
}

// hasRoom reports whether one more record may wait.
func (r *recorder) hasRoom() bool {
	if r.pending >= maxPending {
		r.lost(metadata.AttributeEventSourceReceiver, 1)
		return false
	}
	r.pending++
	return true
}

// take returns the records, and those about losses.
func (r *recorder) take(now time.Time) batch {
	b := batch{events: r.pending}
	if len(r.losses) > 0 && !r.hasSaid {
		r.hasSaid, b.losses = true, r.losses
		r.losses = make(map[loss]int64)
	}
	for loss, n := range b.losses {
		var options []metadata.EventAttributeOption
		if loss.isCounted {
			options = append(options, metadata.WithLostCountEventAttribute(n))
		}
		r.builder.RecordXfrmEventsLostEvent(context.Background(), timestamp(now), loss.source, options...)
	}
	b.logs, r.pending = r.builder.Emit(), 0
	return b
}

// refused notes that the next component did not take a batch: its events are lost,
// and what it said about losses is still to be said.
func (r *recorder) refused(b batch) {
	for loss, n := range b.losses {
		r.losses[loss] += n
	}
	if b.events > 0 {
		r.lost(metadata.AttributeEventSourceReceiver, b.events)
	}
}

// lost notes that events were lost; n is 0 if nobody knows how many.
func (r *recorder) lost(source metadata.AttributeEventSource, n int64) {
	r.losses[loss{source, n > 0}] += n
}

// isDropping reports whether records were dropped, and the next component has not
// been told yet.
func (r *recorder) isDropping() bool {
	_, ok := r.losses[loss{metadata.AttributeEventSourceReceiver, true}]
	return ok
}

// drop records a dropped packet, or counts it together with others.
func (r *recorder) drop(d audit.Drop) {
	if one, isFirst := r.drops.Add(d); isFirst {
		r.recordDrops(one)
	}
}

// flush ends an interval: it records the drops that were counted together, and lets
// the next batch say what was lost.
func (r *recorder) flush() {
	r.hasSaid = false
	for _, one := range r.drops.EndInterval() {
		r.recordDrops(one)
	}
}

func (r *recorder) recordDrops(one drops.Record) {
	if !r.hasRoom() {
		return
	}
	var options []metadata.EventAttributeOption
	if one.Overflow {
		options = append(options, metadata.WithXfrmEventPeersEventAttribute(int64(one.Peers)))
	} else {
		options = append(options,
			metadata.WithNetworkLocalAddressEventAttribute(one.Local.String()),
			metadata.WithNetworkPeerAddressEventAttribute(one.Peer.String()))
	}
	if one.HasSPI {
		options = append(options, metadata.WithSpiIfKnownEventAttribute(int64(one.SPI)))
	}
	if one.HasSequence {
		options = append(options,
			metadata.WithXfrmSequenceFirstEventAttribute(int64(one.FirstSequence)),
			metadata.WithXfrmSequenceLastEventAttribute(int64(one.LastSequence)))
	}
	r.builder.RecordXfrmPacketDroppedEvent(context.Background(), timestamp(one.Last),
		direction[one.Direction], one.Reason, int64(one.Count), options...)
}

// Acquire implements causes.Handler.
func (r *recorder) Acquire(a xfrmnl.Acquire, unanswered bool) {
	if !r.hasRoom() {
		return
	}
	state := metadata.AttributeAcquireStateWaiting
	if unanswered {
		state = metadata.AttributeAcquireStateUnanswered
	}
	options := append(flowOptions(&a.Flow, address), idOptions(a.Policy.IfID, a.Policy.Mark, a.Policy.MarkMask)...)
	if a.Missing.Destination.IsValid() {
		options = append(options,
			metadata.WithNetworkPeerAddressEventAttribute(a.Missing.Destination.String()),
			metadata.WithXfrmReqidEventAttribute(int64(a.Missing.ReqID)))
	}
	r.builder.RecordXfrmAcquireEvent(context.Background(), timestamp(time.Now()), state,
		int64(a.Policy.Index), policyDirection[a.Policy.Direction], options...)
}

// Created implements causes.Handler.
func (r *recorder) Created(a causes.Association) {
	if !r.hasRoom() {
		return
	}
	r.builder.RecordXfrmSaCreatedEvent(context.Background(), timestamp(time.Now()),
		tunnelDirection[int(a.Direction)], int64(a.SPI), tunnelOptions(&a)...)
}

// Deleted implements causes.Handler.
func (r *recorder) Deleted(a causes.Association) {
	if !r.hasRoom() {
		return
	}
	options := append(tunnelOptions(&a), metadata.WithSpiIfKnownEventAttribute(int64(a.SPI)))
	r.builder.RecordXfrmSaDeletedEvent(context.Background(), timestamp(time.Now()),
		tunnelDirection[int(a.Direction)], append(options, figures(&a)...)...)
}

// Flushed implements causes.Handler.
func (r *recorder) Flushed(protocol uint8) {
	if !r.hasRoom() {
		return
	}
	var options []metadata.EventAttributeOption
	const anyProtocol, anyIPsec = 0, 255 // xfrm_id_proto_match in include/net/xfrm.h
	if protocol != anyProtocol && protocol != anyIPsec {
		options = append(options, metadata.WithXfrmProtocolEventAttribute(protocolText(protocol)))
	}
	r.builder.RecordXfrmSaDeletedEvent(context.Background(), timestamp(time.Now()),
		metadata.AttributeTunnelDirectionUnknown, options...)
}

// Expired implements causes.Handler.
func (r *recorder) Expired(a causes.Association, hard bool) {
	if !r.hasRoom() {
		return
	}
	now := time.Now()
	seconds := uint64(now.Unix())
	r.builder.RecordXfrmSaExpiredEvent(context.Background(), timestamp(now), tunnelDirection[int(a.Direction)],
		int64(a.SPI), metadata.MapAttributeXfrmLimit[a.Limit(hard, seconds)], hard, int64(a.Age(seconds)),
		append(tunnelOptions(&a), figures(&a)...)...)
}

// Mapping implements causes.Handler.
func (r *recorder) Mapping(m xfrmnl.Mapping) {
	if !r.hasRoom() {
		return
	}
	r.builder.RecordXfrmMappingChangedEvent(context.Background(), timestamp(time.Now()),
		int64(m.ID.SPI), m.Old.Addr().String(), int64(m.Old.Port()), int64(m.New.Port()),
		metadata.WithNetworkLocalAddressEventAttribute(m.ID.Destination.String()),
		metadata.WithNetworkPeerAddressEventAttribute(m.New.Addr().String()),
		metadata.WithXfrmProtocolEventAttribute(protocolText(m.ID.Protocol)),
		metadata.WithXfrmReqidEventAttribute(int64(m.ReqID)))
}

// Policy implements causes.Handler.
func (r *recorder) Policy(kind xfrmnl.PolicyKind, p xfrmnl.Policy) {
	change, ok := policyChange[kind]
	if !ok || !r.hasRoom() {
		return
	}
	var options []metadata.EventAttributeOption
	if kind != xfrmnl.PoliciesFlushed {
		action := "allow"
		if p.Blocks {
			action = "block"
		}
		options = append(flowOptions(&p.Selector, prefix),
			metadata.WithPolicyDirectionIfKnownEventAttribute(policyDirection[p.Direction].String()),
			metadata.WithXfrmPolicyActionEventAttribute(action))
		options = append(options, idOptions(p.IfID, p.Mark, p.MarkMask)...)
		if len(p.Templates) > 0 {
			options = append(options, metadata.WithXfrmPolicyTemplatesEventAttribute(templates(p.Templates)))
		}
	}
	r.builder.RecordXfrmPolicyChangedEvent(context.Background(), timestamp(time.Now()), change, options...)
}

func tunnelOptions(a *causes.Association) []metadata.EventAttributeOption {
	options := []metadata.EventAttributeOption{
		metadata.WithNetworkLocalAddressEventAttribute(a.Tunnel.Local.String()),
		metadata.WithNetworkPeerAddressEventAttribute(a.Tunnel.Peer.String()),
		metadata.WithXfrmProtocolEventAttribute(protocolText(a.Protocol)),
		metadata.WithXfrmModeEventAttribute(modeName(a.Mode)),
		metadata.WithXfrmReqidEventAttribute(int64(a.ReqID)),
	}
	options = append(options, idOptions(a.IfID, a.Mark, a.MarkMask)...)
	if a.Interface != "" {
		options = append(options, metadata.WithNetworkInterfaceNameEventAttribute(a.Interface))
	}
	return options
}

// idOptions are what tells associations and policies of interfaces apart.
func idOptions(ifID, mark, mask uint32) []metadata.EventAttributeOption {
	var options []metadata.EventAttributeOption
	if ifID != 0 {
		options = append(options, metadata.WithXfrmIfIDEventAttribute(int64(ifID)))
	}
	if mark != 0 || mask != 0 {
		options = append(options, metadata.WithXfrmMarkEventAttribute(markText(tunnel.Key{Mark: mark, MarkMask: mask})))
	}
	return options
}

func figures(a *causes.Association) []metadata.EventAttributeOption {
	return []metadata.EventAttributeOption{
		metadata.WithXfrmBytesEventAttribute(int64(a.Bytes)),
		metadata.WithXfrmPacketsEventAttribute(int64(a.Packets)),
	}
}

// flowOptions are the addresses, ports and protocol of a selector.
func flowOptions(s *xfrmnl.Selector, text func(netip.Prefix) string) []metadata.EventAttributeOption {
	var options []metadata.EventAttributeOption
	if s.Source.IsValid() {
		options = append(options, metadata.WithSourceAddressEventAttribute(text(s.Source)))
	}
	if s.Destination.IsValid() {
		options = append(options, metadata.WithDestinationAddressEventAttribute(text(s.Destination)))
	}
	if s.SourcePort != 0 && hasPorts(s.Protocol) {
		options = append(options, metadata.WithSourcePortEventAttribute(int64(s.SourcePort)))
	}
	if s.DestinationPort != 0 && hasPorts(s.Protocol) {
		options = append(options, metadata.WithDestinationPortEventAttribute(int64(s.DestinationPort)))
	}
	if s.Protocol != 0 {
		options = append(options, metadata.WithNetworkTransportEventAttribute(transport(s.Protocol)))
	}
	return options
}

func address(p netip.Prefix) string { return p.Addr().String() }
func prefix(p netip.Prefix) string  { return p.String() }

// transports are the IP protocols that have a name here: that of the semantic
// conventions (network.transport) or IANA's.
var transports = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}

// transport returns the name of an IP protocol, or its number.
func transport(protocol uint8) string {
	if name := transports[protocol]; name != "" {
		return name
	}
	return strconv.Itoa(int(protocol))
}

// hasPorts reports whether the ports in a selector are ports. For ICMP they are type
// and code, for GRE parts of the key (xfrm_flowi_sport in include/net/xfrm.h).
func hasPorts(protocol uint8) bool {
	const icmp, gre, icmpv6, mobility = 1, 47, 58, 135
	return protocol != icmp && protocol != gre && protocol != icmpv6 && protocol != mobility
}

// templates writes templates in the words of ip-xfrm(8).
func templates(all []xfrmnl.Template) []any {
	var texts []any
	for _, t := range all {
		text := fmt.Sprintf("src %s dst %s proto %s reqid %d mode %s",
			t.Source, t.Destination, protocolText(t.Protocol), t.ReqID, modeName(t.Mode))
		if t.Optional {
			text += " level use"
		}
		texts = append(texts, text)
	}
	return texts
}

// protocolText returns the name of an IPsec protocol, or the number of another.
func protocolText(protocol uint8) string {
	if name := protocolName[protocol]; name != "" {
		return name
	}
	return strconv.Itoa(int(protocol))
}

func timestamp(t time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(t) }

var policyDirection = map[xfrmnl.PolicyDirection]metadata.AttributePolicyDirection{
	xfrmnl.PolicyIn:      metadata.AttributePolicyDirectionInbound,
	xfrmnl.PolicyOut:     metadata.AttributePolicyDirectionOutbound,
	xfrmnl.PolicyForward: metadata.AttributePolicyDirectionForward,
}

var policyChange = map[xfrmnl.PolicyKind]metadata.AttributeChange{
	xfrmnl.PolicyAdded:       metadata.AttributeChangeCreated,
	xfrmnl.PolicyUpdated:     metadata.AttributeChangeUpdated,
	xfrmnl.PolicyDeleted:     metadata.AttributeChangeDeleted,
	xfrmnl.PolicyExpiredHard: metadata.AttributeChangeExpired,
	xfrmnl.PoliciesFlushed:   metadata.AttributeChangeFlushed,
}
