// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/logs"
	"github.com/grafana/grafana-foundation-sdk/go/loki"
)

// records are those that to-logs-otlp.yaml sends to Loki for the nodes that are chosen.
// Loki makes service.name a label, and all other attributes structured metadata, with
// underscores for dots.
const records = `{service_name="otelcol-xfrm"} | host_name=~"$node"`

// ofPeer narrows them. A record without a peer matches if all are chosen.
const ofPeer = ` | network_peer_address=~"$peer"`

// lokiSource lets choose the Loki that has the records.
func lokiSource() cog.Builder[dashboard.VariableModel] {
	return dashboard.NewDatasourceVariableBuilder("loki").Label("Loki").Type("loki")
}

// causes is a row that is closed, so that it asks no Loki where there is none. Its panel
// has the next number.
func causes(id uint32, description, query string) *dashboard.RowBuilder {
	source := common.DataSourceRef{Type: ptr("loki"), Uid: ptr("${loki}")}
	panel := logs.NewPanelBuilder().
		Title("Causes").
		Description(description + " Needs collectors that send records to Loki: docs/causes.md.").
		Datasource(source).
		ShowTime(true).
		WrapLogMessage(true).
		EnableLogDetails(true).
		SortOrder(common.LogsSortOrderDescending).
		DedupStrategy(common.LogsDedupStrategyNone).
		WithTarget(loki.NewDataqueryBuilder().Datasource(source).RefId("A").QueryType("range").Expr(query)).
		Span(24).Height(12)
	return dashboard.NewRowBuilder("Causes, from Loki").Id(id).Collapsed(true).WithPanel(numbered{panel, id + 1})
}

// toTunnels is a link to the dashboard of tunnels, for the node and the kind of namespace
// of what is clicked, and more if there is more. fields is where Grafana finds its labels.
// The label network_namespace is not there for the main namespace, and Grafana would not
// replace it.
func toTunnels(title, fields, more string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{{Id: "links", Value: []map[string]any{{
		"title": title,
		"url": "/d/xfrm-tunnels?${__url_time_range}&${datasource:queryparam}&${loki:queryparam}&${cluster:queryparam}" +
			"&var-node=${" + fields + ".node}&var-kind=${" + fields + ".network_namespace_kind}" + more,
	}}}}
}
