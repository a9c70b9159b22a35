// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/xfrmreceiver/xfrmreceiver/internal/metadata"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
)

// recordTunnel records one tunnel as it is now.
func (s *xfrmScraper) recordTunnel(t *tunnel.Tunnel, now time.Time) {
	ts, b := pcommon.NewTimestampFromTime(now), s.builder
	b.Reset(metadata.WithStartTime(pcommon.NewTimestampFromTime(t.Start)))
	attributes := tunnelAttributes(t)
	for d, traffic := range t.Traffic {
		if traffic == nil {
			continue
		}
		direction := tunnelDirection[d]
		b.RecordXfrmTunnelIoDataPoint(ts, traffic.Bytes, direction, attributes...)
		b.RecordXfrmTunnelPacketCountDataPoint(ts, traffic.Packets, direction, attributes...)
		b.RecordXfrmTunnelSaCountDataPoint(ts, traffic.Associations, direction, attributes...)
		b.RecordXfrmTunnelSaCreatedDataPoint(ts, traffic.Created, direction, attributes...)
		if t.Overflow {
			continue
		}
		if traffic.Associations > 0 {
			b.RecordXfrmTunnelSaAgeDataPoint(ts, traffic.Age, direction, attributes...)
			if traffic.HasLifetime {
				b.RecordXfrmTunnelSaLifetimeUtilizationDataPoint(ts, traffic.Lifetime, direction, attributes...)
			}
		}
		if traffic.LastUsed > 0 {
			idle := now.Sub(time.Unix(int64(traffic.LastUsed), 0)).Seconds()
			b.RecordXfrmTunnelIdleTimeDataPoint(ts, max(0, idle), direction, attributes...)
		}
	}
	if t.Traffic[tunnel.Inbound] != nil {
		for _, dropped := range []struct {
			packets int64
			reason  metadata.AttributeTunnelReason
		}{
			{t.Replay, metadata.AttributeTunnelReasonReplay},
			{t.ReplayWindow, metadata.AttributeTunnelReasonReplayWindow},
			{t.IntegrityFailed, metadata.AttributeTunnelReasonIntegrityFailed},
		} {
			if dropped.packets > 0 || !s.omitZero {
				b.RecordXfrmTunnelPacketDroppedDataPoint(ts, dropped.packets, dropped.reason, attributes...)
			}
		}
	}
	if t.HasSequence && !t.Overflow {
		b.RecordXfrmTunnelSequenceUtilizationDataPoint(ts, t.Sequence, attributes...)
	}
}

// tunnelAttributes returns what identifies the tunnel.
func tunnelAttributes(t *tunnel.Tunnel) []metadata.MetricAttributeOption {
	if t.Overflow {
		return []metadata.MetricAttributeOption{metadata.WithOtelMetricOverflowMetricAttribute(true)}
	}
	attributes := []metadata.MetricAttributeOption{
		metadata.WithNetworkLocalAddressMetricAttribute(t.Local.String()),
		metadata.WithNetworkPeerAddressMetricAttribute(t.Peer.String()),
		metadata.WithXfrmProtocolMetricAttribute(protocolName[t.Protocol]),
		metadata.WithXfrmModeMetricAttribute(modeName(t.Mode)),
		metadata.WithXfrmReqidMetricAttribute(int64(t.ReqID)),
	}
	if t.IfID != 0 {
		attributes = append(attributes, metadata.WithXfrmIfIDMetricAttribute(int64(t.IfID)))
	}
	if t.Mark != 0 || t.MarkMask != 0 {
		attributes = append(attributes, metadata.WithXfrmMarkMetricAttribute(markText(t.Key)))
	}
	if t.Interface != "" {
		attributes = append(attributes, metadata.WithNetworkInterfaceNameMetricAttribute(t.Interface))
	}
	return attributes
}

var tunnelDirection = map[int]metadata.AttributeTunnelDirection{
	int(tunnel.Unknown):  metadata.AttributeTunnelDirectionUnknown,
	int(tunnel.Inbound):  metadata.AttributeTunnelDirectionInbound,
	int(tunnel.Outbound): metadata.AttributeTunnelDirectionOutbound,
}

var protocolName = map[uint8]string{
	xfrmnl.ProtocolESP:    "esp",
	xfrmnl.ProtocolAH:     "ah",
	xfrmnl.ProtocolIPComp: "ipcomp",
}

// markText writes a mark and its mask as ip(8) does.
func markText(key tunnel.Key) string { return hex(key.Mark) + "/" + hex(key.MarkMask) }

// hex writes a number as the %#x of C does.
func hex(n uint32) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", n)
}

// modes are the names of XFRM_MODE_* (include/uapi/linux/xfrm.h).
var modes = []string{"transport", "tunnel", "route_optimization", "in_trigger", "beet", "iptfs"}

// modeName returns the name of a mode. One of a newer kernel is its number.
func modeName(mode uint8) string {
	if int(mode) < len(modes) {
		return modes[mode]
	}
	return strconv.Itoa(int(mode))
}
