// SPDX-License-Identifier: Apache-2.0

// Package grafana reads dashboards of Grafana.
package grafana

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Dashboard is what is looked at of one.
type Dashboard struct {
	// Queries are those of all panels.
	Queries []Query
	// Variables are in the order in which the dashboard shows them.
	Variables []Variable
}

// Query is one of a panel.
type Query struct {
	// Name is the panel's title, and the column's after a colon if each column has a
	// query of its own.
	Name string
	// Language is the type of the data source: prometheus or loki.
	Language, Expr string
	Instant        bool
	// Labels are those that the panel shows: in its legend, or as its first columns.
	Labels []string
}

// Variable is one that the viewer chooses, or a constant.
type Variable struct{ Name, Type, Query, AllValue string }

type panel struct {
	Title   string
	Targets []struct {
		RefID              string
		Datasource         struct{ Type string }
		Expr, LegendFormat string
		Instant            bool
	}
	Transformations []struct {
		Options struct {
			IndexByName  map[string]int
			RenameByName map[string]string
		}
	}
	Panels []panel
}

// Read reads a file.
func Read(name string) (*Dashboard, error) {
	content, err := os.ReadFile(filepath.Clean(name))
	if err != nil {
		return nil, err
	}
	var read struct {
		Panels     []panel
		Templating struct{ List []Variable }
	}
	if err := json.Unmarshal(content, &read); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	board := &Dashboard{Variables: read.Templating.List}
	for _, p := range read.Panels {
		board.Queries = append(board.Queries, p.queries()...)
		for _, inRow := range p.Panels {
			board.Queries = append(board.Queries, inRow.queries()...)
		}
	}
	return board, nil
}

var inLegend = regexp.MustCompile(`\{\{(\w+)\}\}`)

func (p panel) queries() (all []Query) {
	order, names := map[string]int{}, map[string]string{}
	for _, transformation := range p.Transformations {
		maps.Copy(order, transformation.Options.IndexByName)
		maps.Copy(names, transformation.Options.RenameByName)
	}
	var columns []string
	for column := range order {
		if !strings.HasPrefix(column, "Value") {
			columns = append(columns, column)
		}
	}
	for _, target := range p.Targets {
		query := Query{
			Name: p.Title, Language: target.Datasource.Type, Expr: target.Expr, Instant: target.Instant,
			Labels: slices.Clone(columns),
		}
		if len(p.Targets) > 1 {
			query.Name += ": " + names["Value #"+target.RefID]
		}
		for _, m := range inLegend.FindAllStringSubmatch(target.LegendFormat, -1) {
			query.Labels = append(query.Labels, m[1])
		}
		slices.Sort(query.Labels)
		all = append(all, query)
	}
	return all
}

// Constant is the value of a variable that nobody chooses.
func (d *Dashboard) Constant(name string) (string, error) {
	for _, variable := range d.Variables {
		if variable.Name == name && variable.Type == "constant" {
			return variable.Query, nil
		}
	}
	return "", fmt.Errorf("no constant %q", name)
}

var variable = regexp.MustCompile(`\$\w+`)

// Expand replaces the variables of a query. It fails if one is left.
func Expand(query string, values map[string]string) (string, error) {
	expanded := variable.ReplaceAllStringFunc(query, func(name string) string {
		if value, ok := values[strings.TrimPrefix(name, "$")]; ok {
			return value
		}
		return name
	})
	if strings.Contains(expanded, "$") {
		return "", fmt.Errorf("a variable that there is none of: %s", expanded)
	}
	return expanded, nil
}
