// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func ptr[T any](v T) *T { return &v }

// source is the data source that the viewer chooses.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${datasource}")}
}

func variables() []cog.Builder[dashboard.VariableModel] {
	return append(scope(dropped), constant{"window", window}, lokiSource())
}

// scope lets choose the data source, and the node and namespace of a series.
func scope(series string) []cog.Builder[dashboard.VariableModel] {
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"),
		choice("cluster", "Cluster", series),
		choice("node", "Node", series+`{cluster=~"$cluster"}`),
		choice("network_namespace_kind", "Kind of namespace", series+`{cluster=~"$cluster", node=~"$node"}`).Name("kind"),
		choice("network_namespace", "Network namespace",
			series+`{cluster=~"$cluster", node=~"$node", network_namespace_kind=~"$kind"}`).Name("namespace"),
	}
}

// constant is a variable that nobody chooses. The SDK's builder cannot hide it.
type constant struct{ name, value string }

func (c constant) Build() (dashboard.VariableModel, error) {
	variable, err := dashboard.NewConstantVariableBuilder(c.name).
		Value(dashboard.StringOrMap{String: ptr(c.value)}).Build()
	variable.Hide = ptr(dashboard.VariableHideHideVariable)
	return variable, err
}

// choice lets choose among the values that a label has in the time shown: what
// dropped nothing is not worth choosing. All includes series without the label.
func choice(label, title, series string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(label).
		Label(title).
		Datasource(source()).
		Query(dashboard.StringOrMap{String: ptr(fmt.Sprintf("label_values(%s, %s)", series, label))}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortNaturalAsc).
		Multi(true).
		IncludeAll(true).
		AllValue(".*").
		Current(dashboard.VariableOption{
			Selected: ptr(true),
			Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
			Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
		})
}
