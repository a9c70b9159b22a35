// SPDX-License-Identifier: Apache-2.0

// Package promtool runs rules and queries on series that are written down, with
// `promtool test rules`.
package promtool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Series is one, and its values in the notation of promtool.
type Series struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

// Sample is one of a result.
type Sample struct {
	Labels string  `json:"labels"`
	Value  float64 `json:"value"`
}

// Query is run at EvalTime after the first value, and returns Samples.
type Query struct {
	Expr     string   `json:"expr"`
	EvalTime string   `json:"eval_time"`
	Samples  []Sample `json:"exp_samples"`
}

// Test has one value of each series in each Interval, and evaluates rules as often.
type Test struct {
	// RuleFiles are absolute paths.
	RuleFiles []string
	Interval  string
	Series    []Series
	Queries   []Query
}

// Run runs the test, with a file in the folder. The error says what promtool says.
func (t Test) Run(program, folder string) error {
	content, err := yaml.Marshal(map[string]any{
		"rule_files":          t.RuleFiles,
		"evaluation_interval": t.Interval,
		// rate, increase and deriv calculate with fractions.
		"fuzzy_compare": true,
		"tests":         []any{map[string]any{"interval": t.Interval, "input_series": t.Series, "promql_expr_test": t.Queries}},
	})
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "test.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	out, err := exec.Command(program, "test", "rules", file).CombinedOutput() //nolint:gosec // The test's own program.
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
