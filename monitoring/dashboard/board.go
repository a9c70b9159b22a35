// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/table"
)

const (
	pages   = "https://github.com/xfrmreceiver/xfrmreceiver/blob/main/docs/"
	runbook = pages + "reasons.md"
)

const exactly = " A drop that has just happened is in it at once, and a number of them is exact $window minutes later."

// build makes the dashboard; meanings are what parseMeanings found.
func build(meanings map[string]string) (dashboard.Dashboard, error) {
	panels := []cog.Builder[dashboard.Panel]{
		number("Packets dropped", "In the time shown."+exactly, inRange("direction"), "{{direction}}").Span(18).Height(4),
		number("Alerts firing", "Of monitoring/alerts.yaml, now.", firing, "firing").Span(6).Height(4),
		graph("By reason, in the $window minutes before",
			"Packets dropped in the $window minutes before each point; of a point that stands for more time, the most.",
			overTime("direction, reason"), "{{direction}} {{reason}}").Span(24).Height(9),
		reasons(meanings).Span(24).Height(9),
		bars("Network namespaces that dropped most", "In the time shown, the first ten of all nodes.",
			"topk(10, "+inRange("node, network_namespace_kind, network_namespace")+")",
			"{{node}}: {{network_namespace_kind}} {{network_namespace}}").
			OverrideByFieldType("number", toTunnels("Tunnels of ${__field.labels.node}", "__field.labels", "")).
			Span(12).Height(9),
		bars("Nodes that dropped most", "In the time shown, the first ten.",
			"topk(10, "+inRange("node")+")", "{{node}}").Span(12).Height(9),
		graph("By node, in the $window minutes before", "As above.", overTime("node"), "{{node}}").Span(24).Height(8),
	}
	board := dashboard.NewDashboardBuilder("IPsec: packets dropped by the kernel (XFRM)").
		Uid("xfrm").
		Description("What the kernel's IPsec dropped, why, and where. Needs the recording rules of monitoring/alerts.yaml.").
		Tags([]string{"ipsec", "xfrm", "opentelemetry"}).
		Time("now-6h", "now").
		Refresh("1m").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Variables(variables()).
		Link(dashboard.NewDashboardLinkBuilder("Tunnels").Type(dashboard.DashboardLinkTypeLink).Url("/d/xfrm-tunnels").IncludeVars(true).KeepTime(true)).
		Link(dashboard.NewDashboardLinkBuilder("Runbook").Type(dashboard.DashboardLinkTypeLink).Url(runbook).TargetBlank(true)).
		Link(dashboard.NewDashboardLinkBuilder("Alerts").Type(dashboard.DashboardLinkTypeLink).Url(pages + "alerts.md").TargetBlank(true))
	for i, panel := range panels {
		board = board.WithPanel(numbered{panel, uint32(i + 1)})
	}
	all := rows("All counters that are not zero", "As the kernel has them now, in the cluster chosen.", sinceBoot,
		[]string{"host_name", "instance", "netns_name", "k8s_pod_uid", "container_id", "container_name", "systemd_unit_name", "process_pid", "direction", "reason", "Value"},
		map[string]string{"Value": "packets since boot"}).Span(24).Height(12)
	return board.
		WithRow(causes(uint32(len(panels)+1), "Who was dropped, and what happened before, on the nodes chosen.", records)).
		WithRow(dashboard.NewRowBuilder("Since boot").Id(uint32(len(panels) + 3)).Collapsed(true).
			WithPanel(numbered{all, uint32(len(panels) + 4)})).
		Build()
}

// numbered gives a panel its number, which links to it contain.
type numbered struct {
	cog.Builder[dashboard.Panel]
	id uint32
}

func (n numbered) Build() (dashboard.Panel, error) {
	panel, err := n.Builder.Build()
	panel.Id = &n.id
	return panel, err
}

// reasons is the table that says what each reason means, and leads to its section
// of the runbook.
func reasons(meanings map[string]string) *table.PanelBuilder {
	texts := map[string]dashboard.ValueMappingResult{}
	for key, meaning := range meanings {
		texts[key] = dashboard.ValueMappingResult{Text: ptr(meaning)}
	}
	link := []map[string]any{{
		"title":       "What to do: ${__data.fields.direction} ${__data.fields.reason}",
		"url":         runbook + "#${__data.fields.direction}-${__data.fields.reason}",
		"targetBlank": true,
	}}
	const title = "what the kernel found (click: what to do)"
	return rows("What was dropped, and why", "In the time shown."+exactly,
		fmt.Sprintf(`label_join(%s, "meaning", "-", "direction", "reason")`, inRange("direction, reason")),
		[]string{"Value", "direction", "reason", "meaning"},
		map[string]string{"Value": "packets", "meaning": title}).
		OverrideByName("packets", []dashboard.DynamicConfigValue{{Id: "custom.width", Value: 110}}).
		OverrideByName("direction", []dashboard.DynamicConfigValue{{Id: "custom.width", Value: 110}}).
		OverrideByName("reason", []dashboard.DynamicConfigValue{{Id: "custom.width", Value: 200}, {Id: "links", Value: link}}).
		OverrideByName(title, []dashboard.DynamicConfigValue{
			{Id: "mappings", Value: []dashboard.ValueMap{{Type: dashboard.MappingTypeValueToText, Options: texts}}},
			{Id: "links", Value: link},
		})
}
