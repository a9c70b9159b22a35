// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

const nothing = "nothing was dropped"

func instant(expression, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(source()).RefId("A").
		Expr(expression).LegendFormat(legend).Instant()
}

func graph(title, description, expression, legend string) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().
		Title(title).
		Description(description).
		Datasource(source()).
		Unit("short").
		Min(0).
		Decimals(0).
		NoValue(nothing).
		FillOpacity(20).
		LineInterpolation(common.LineInterpolationStepAfter).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementRight).
			ShowLegend(true).Calcs([]string{"max"}).SortBy("Max").SortDesc(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().
			Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		WithTarget(prometheus.NewDataqueryBuilder().Datasource(source()).RefId("A").
			Expr(expression).LegendFormat(legend).Range())
}

func bars(title, description, expression, legend string) *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().
		Title(title).
		Description(description).
		Datasource(source()).
		Unit("short").
		Min(0).
		Decimals(0).
		NoValue(nothing).
		Orientation(common.VizOrientationHorizontal).
		ColorScheme(fixedColor("orange")).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		WithTarget(instant(expression, legend))
}

func number(title, description, expression, legend string) *stat.PanelBuilder {
	return stat.NewPanelBuilder().
		Title(title).
		Description(description).
		Datasource(source()).
		Unit("short").
		Decimals(0).
		NoValue("0").
		ColorMode(common.BigValueColorModeValue).
		GraphMode(common.BigValueGraphModeNone).
		Thresholds(dashboard.NewThresholdsConfigBuilder().
			Mode(dashboard.ThresholdsModeAbsolute).
			Steps([]dashboard.Threshold{{Color: "green"}, {Color: "orange", Value: ptr(1.0)}})).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		WithTarget(instant(expression, legend))
}

// rows is a table of an instant query, with these columns first.
func rows(title, description, expression string, columns []string, names map[string]string) *table.PanelBuilder {
	order := map[string]int{}
	for i, column := range columns {
		order[column] = i
	}
	return table.NewPanelBuilder().
		Title(title).
		Description(description).
		Datasource(source()).
		NoValue(nothing).
		CellHeight(common.TableCellHeightSm).
		Footer(noFooter()).
		SortBy([]cog.Builder[common.TableSortByFieldState]{
			common.NewTableSortByFieldStateBuilder().DisplayName(names["Value"]).Desc(true),
		}).
		WithTarget(instant(expression, "").Format(prometheus.PromQueryFormatTable)).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true, "__name__": true},
			"indexByName":   order,
			"renameByName":  names,
		}})
}

// noFooter is none, with the list that Grafana's schema demands all the same.
func noFooter() *common.TableFooterOptionsBuilder {
	return common.NewTableFooterOptionsBuilder().Reducer([]string{})
}

func fixedColor(name string) *dashboard.FieldColorBuilder {
	return dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdFixed).FixedColor(name)
}
