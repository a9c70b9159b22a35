// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

// namespaces has one series for each namespace whose tunnels are read. Its labels
// node, network_namespace_kind and network_namespace are joined to those of tunnels.
const namespaces = "network_namespace:xfrm_sa_count:info"

// tunnelLabels are the labels that the table of tunnels shows.
const tunnelLabels = "node, network_namespace_kind, network_namespace, network_local_address, network_peer_address, network_interface_name, xfrm_reqid"

// chosen are the series of an expression that the variables choose, with the
// labels that name the namespace.
func chosen(expression string) string {
	return expression + ` * on (cluster, environment, host_name, instance, netns_name, k8s_pod_uid, container_id, container_name, systemd_unit_name, process_pid)` +
		` group_left (node, network_namespace_kind, network_namespace) ` + namespaces + filter
}

func perTunnel(operator, series, selector string) string {
	return fmt.Sprintf("%s by (%s) (%s)", operator, tunnelLabels,
		chosen(fmt.Sprintf(`%s{network_peer_address!="", network_peer_address=~"$peer"%s}`, series, selector)))
}

// traffic is in bits per second.
func traffic(direction string) string {
	return "8 * " + perTunnel("sum", "tunnel:xfrm_tunnel_io_bytes:rate", fmt.Sprintf(`, direction="%s"`, direction))
}

// refused counts packets in the time that the dashboard shows, as inRange does.
func refused(reason string) string {
	return fmt.Sprintf("ceil(sum by (%s) (%s) / $window)", tunnelLabels,
		chosen(fmt.Sprintf(`sum_over_time(tunnel:xfrm_tunnel_packet_dropped:increase{network_peer_address!="", network_peer_address=~"$peer", reason="%s"}[$__range:1m])`, reason)))
}

// associations counts those of one direction: a tunnel can lose one alone.
func associations(direction string) string {
	return perTunnel("sum", "tunnel:xfrm_tunnel_sa_count:last", fmt.Sprintf(`, direction="%s"`, direction))
}

// column is one of the table of tunnels.
type column struct{ title, unit, expression string }

var columns = []column{
	{"in", "bps", traffic("inbound")},
	{"out", "bps", traffic("outbound")},
	{"replayed", "short", refused("replay")},
	{"late", "short", refused("replay_window")},
	{"forged", "short", refused("integrity_failed")},
	{"age", "s", perTunnel("min", "tunnel:xfrm_tunnel_sa_age_seconds:last", "")},
	{"lifetime used", "percentunit", perTunnel("max", "tunnel:xfrm_tunnel_sa_lifetime_utilization_ratio:last", "")},
	{"sequence numbers used", "percentunit", perTunnel("max", "tunnel:xfrm_tunnel_sequence_utilization_ratio:last", "")},
	{"SAs in", "short", associations("inbound")},
	{"SAs out", "short", associations("outbound")},
}

// buildTunnels makes the dashboard of tunnels.
func buildTunnels() (dashboard.Dashboard, error) {
	panels := []cog.Builder[dashboard.Panel]{
		tunnels().Span(24).Height(12),
		graph("Traffic in", "Of each tunnel, in the $window minutes before.", traffic("inbound"), tunnelLegend).
			Unit("bps").NoValue("no tunnel").Span(12).Height(9),
		graph("Traffic out", "Of each tunnel, in the $window minutes before.", traffic("outbound"), tunnelLegend).
			Unit("bps").NoValue("no tunnel").Span(12).Height(9),
		graph("Lost between two ends, in the $window minutes before",
			"Packets that one end sent and the other did not receive, where both are watched. It fluctuates around zero, since the ends are scraped at different times.",
			lost, "{{network_local_address}} to {{network_peer_address}} {{xfrm_protocol}}").
			NoValue("no two ends are watched").Span(16).Height(9),
		bars("Lost now", "How much of what was sent, the first ten.",
			"topk(10, clamp_min("+lost+" / path:xfrm_tunnel_packet_count:sent, 0))",
			"{{network_local_address}} to {{network_peer_address}} {{xfrm_protocol}}").
			Unit("percentunit").Decimals(2).NoValue("no two ends are watched").Span(8).Height(9),
	}
	board := dashboard.NewDashboardBuilder("IPsec: tunnels (XFRM)").
		Uid("xfrm-tunnels").
		Description("Security associations of the kernel, by tunnel. Needs the recording rules of monitoring/alerts.yaml, and collectors that read tunnels: docs/tunnels.md.").
		Tags([]string{"ipsec", "xfrm", "opentelemetry"}).
		Time("now-6h", "now").
		Refresh("1m").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Variables(append(scope(namespaces),
			choice("network_peer_address", "Peer", "tunnel:xfrm_tunnel_sa_count:last").Name("peer"),
			constant{"window", window}, lokiSource())).
		Link(dashboard.NewDashboardLinkBuilder("Drops").Type(dashboard.DashboardLinkTypeLink).Url("/d/xfrm").IncludeVars(true).KeepTime(true)).
		Link(dashboard.NewDashboardLinkBuilder("What the figures mean").Type(dashboard.DashboardLinkTypeLink).Url(pages + "tunnels.md").TargetBlank(true)).
		Link(dashboard.NewDashboardLinkBuilder("Alerts").Type(dashboard.DashboardLinkTypeLink).Url(pages + "alerts.md#when-a-tunnel-fails").TargetBlank(true))
	for i, panel := range panels {
		board = board.WithPanel(numbered{panel, uint32(i + 1)})
	}
	return board.
		WithRow(causes(uint32(len(panels)+1), "What happened to the tunnels of the nodes and peers chosen, and who was dropped.", records+ofPeer)).
		Build()
}

const (
	lost         = `path:xfrm_tunnel_packet_count:missing`
	tunnelLegend = "{{node}} {{network_namespace}} {{network_peer_address}} {{network_interface_name}} reqid {{xfrm_reqid}}"
)

// tunnels is a table with one query for each column of figures.
func tunnels() *table.PanelBuilder {
	names, order := map[string]string{}, map[string]int{}
	for _, label := range strings.Split(tunnelLabels, ", ") {
		order[label] = len(order)
	}
	panel := table.NewPanelBuilder().
		Title("Tunnels").
		Description("Refused packets are those of the time shown, the rest is now. A tunnel that has lost its SAs of a direction has 0. Click a peer to see only its tunnels, and below their causes.").
		Datasource(source()).
		NoValue("").
		Decimals(0).
		CellHeight(common.TableCellHeightSm).
		Footer(noFooter()).
		OverrideByName("network_peer_address", toTunnels("Only those with ${__value.text}, and their causes",
			"__data.fields", "&var-peer=${__data.fields.network_peer_address}"))
	for i, c := range columns {
		id := string(rune('A' + i))
		names["Value #"+id] = c.title
		order["Value #"+id] = len(order)
		panel = panel.
			WithTarget(prometheus.NewDataqueryBuilder().Datasource(source()).RefId(id).
				Expr(c.expression).Instant().Format(prometheus.PromQueryFormatTable)).
			OverrideByName(c.title, []dashboard.DynamicConfigValue{{Id: "unit", Value: c.unit}})
	}
	return panel.
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true},
			"indexByName":   order,
			"renameByName":  names,
		}})
}
