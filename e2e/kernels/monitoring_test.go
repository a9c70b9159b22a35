// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/grafana"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/promtool"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// rule is an alert.
type rule struct {
	Alert, Expr string
	Labels      struct{ Severity string }
}

func tunnelAlerts(t *testing.T, file string) (alerts []rule) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var read struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	require.NoError(t, yaml.Unmarshal(content, &read))
	for _, group := range read.Groups {
		if group.Name == "xfrm-tunnels" {
			alerts = slices.DeleteFunc(group.Rules, func(r rule) bool { return r.Alert == "" })
		}
	}
	require.NotEmpty(t, alerts)
	return alerts
}

// Every query of the dashboard of tunnels, and every alert, says of real tunnels what
// the kernels of both ends say.
func TestDashboardAndAlertsOfTunnels(t *testing.T) {
	requireTools(t)
	program := need.Program(t, "PROMTOOL", "e2e-kernels")
	rules, err := filepath.Abs(filepath.Join("..", "..", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	board, err := grafana.Read(filepath.Join("..", "..", "monitoring", "tunnels.json"))
	require.NoError(t, err)
	m := watch(t)

	test := promtool.Test{RuleFiles: []string{rules}, Interval: "1m", Series: written(m.moments)}
	ask := func(query string, want expectation) {
		test.Queries = append(test.Queries, promtool.Query{Expr: query, EvalTime: fmt.Sprintf("%dm", want.minute), Samples: want.samples})
	}
	m.askDashboard(t, board, ask)
	expected := m.alerts(t)
	for _, alert := range tunnelAlerts(t, rules) {
		name := alert.Alert + " " + alert.Labels.Severity
		want, ok := expected[name]
		require.True(t, ok, "no expectation for the alert "+name)
		delete(expected, name)
		// deriv calculates with fractions.
		for i, sample := range want.samples {
			want.samples[i].Value = math.Floor(sample.Value*1000+0.5) / 1000
		}
		ask("round("+alert.Expr+", 0.001)", want)
		// One that is a warning and critical has the same labels.
		firing := fmt.Sprintf(`count without (alertname, alertstate, severity) (ALERTS{alertname=%q, severity=%q, alertstate="firing"})`,
			alert.Alert, alert.Labels.Severity)
		fires := expectation{minute: want.minute}
		for _, sample := range want.samples {
			fires.samples = append(fires.samples, promtool.Sample{Labels: sample.Labels, Value: 1})
		}
		ask(firing, fires)
	}
	require.Empty(t, expected, "no such alerts")
	// Before, nothing fires but what is wrong all the time.
	const all = `count by (alertname) (ALERTS{alertname=~"Xfrm(Tunnel|Negotiation).*", alertstate="firing"})`
	ask(all, expectation{minute: m.moments[0].last})
	ask(all, expectation{m.quiet, []promtool.Sample{{Labels: `{alertname="XfrmTunnelPileUp"}`, Value: 1}, {Labels: `{alertname="XfrmNegotiationHangs"}`, Value: 1}}})

	require.NoError(t, test.Run(program, t.TempDir()))
	results := 0
	for _, query := range test.Queries {
		results += len(query.Samples)
	}
	verification(t, os.O_APPEND, fmt.Sprintf("\n### The dashboard and the alerts of tunnels\n\n"+
		"Each query of `monitoring/tunnels.json` and each alert for tunnels, on what two collectors served in a guest\n"+
		"while packets were sent, lost, replayed, late and forged: %d queries gave the %d values that follow from the\n"+
		"kernel's figures.\n", len(test.Queries), results))
}

// watch runs the guest, and checks that what it did is what was planned.
func watch(t *testing.T) monitored {
	t.Helper()
	cache := openCache(t)
	releases, err := cache.Releases("6.12")
	require.NoError(t, err)
	g := newGuest(t, cache, releases[0])
	g.modules("xfrm_interface")
	for _, name := range []string{"host.yaml", "tunnels.yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", "distribution", "config", name))
		require.NoError(t, err)
		g.files.Bytes("/etc/"+name, content)
	}
	var stages []*report.Stage
	for _, line := range g.run("stages", 10*time.Minute) {
		if line.Stage != nil {
			stages = append(stages, line.Stage)
		}
	}
	m := monitored{moments: layOut(t, stages)}
	rounds := m.moments[len(m.moments)-2]
	m.quiet, m.last, m.settled = m.moments[1].last, rounds.first, rounds.last
	m.gone = m.moments[len(m.moments)-1].last - 2

	busy := rounds.sums[direction{"here", traffic.ReqidBusy, false}]
	assert.InDelta(t, traffic.Rounds*traffic.Replayed, busy.replayed, 0)
	assert.InDelta(t, traffic.Rounds*traffic.Late, busy.late, 0)
	assert.InDelta(t, traffic.Rounds*traffic.Forged, busy.forged, 0)
	assert.InDelta(t, traffic.Rounds*traffic.Lost,
		rounds.sums[direction{"here", traffic.ReqidBusy, true}].packets-rounds.sums[direction{"there", traffic.ReqidBusy, false}].packets, 0)
	return m
}

// askDashboard asks all that the dashboard asks.
func (m monitored) askDashboard(t *testing.T, board *grafana.Dashboard, ask func(string, expectation)) {
	t.Helper()
	window, err := board.Constant("window")
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(windowMinutes), window)
	everything := map[string]string{
		"cluster": ".*", "node": ".*", "kind": ".*", "namespace": ".*", "peer": ".*", "window": window, "__range": "1h",
	}
	expand := func(query string, variable, value string) string {
		values := map[string]string{variable: value}
		for name, all := range everything {
			if name != variable {
				values[name] = all
			}
		}
		expanded, err := grafana.Expand(query, values)
		require.NoError(t, err)
		return expanded
	}

	expected := m.queries(t)
	associations := ""
	for _, query := range board.Queries {
		if query.Language != "prometheus" {
			continue
		}
		want, ok := expected[query.Name]
		require.True(t, ok, "no expectation for "+query.Name)
		delete(expected, query.Name)
		ask(expand(query.Expr, "", ""), want)
		if query.Name == "Tunnels: SAs out" {
			associations = query.Expr
		}
		// All queries of a table share its columns.
		if query.Name == "Tunnels: SAs out" || !strings.Contains(query.Name, ": ") {
			for _, label := range query.Labels {
				require.True(t, slices.ContainsFunc(want.samples, func(s promtool.Sample) bool {
					return strings.Contains(s.Labels, label+"=")
				}), "%s shows %s, which nothing has", query.Name, label)
			}
		}
	}
	require.Empty(t, expected, "no such panels")

	for _, choice := range []struct {
		variable, value string
		label           model.LabelName
	}{
		{"node", "gw1", "node"},
		{"node", "10.0.0.2:9464", "node"},
		{"kind", "named", "network_namespace_kind"},
		{"namespace", "vpn", "network_namespace"},
		{"peer", traffic.Unwatched.String(), "network_peer_address"},
	} {
		want := expectation{minute: m.last}
		for _, e := range ends() {
			if string(e.shown[choice.label]) == choice.value {
				if outbound, ok := m.at(m.last).sums[direction{e.side, e.reqid, true}]; ok {
					want.samples = append(want.samples, one(e.shown, outbound.count))
				}
			}
		}
		require.NotEmpty(t, want.samples)
		ask(expand(associations, choice.variable, choice.value), want)
	}

	// The empty value is that of series without the label, which Grafana leaves out.
	offered := map[string][]model.LabelValue{
		"cluster": {""}, "node": {"gw1", "10.0.0.2:9464"}, "kind": {"host", "named"}, "namespace": {"", "vpn", "branch"},
		"peer": {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.8.0.1", "10.8.0.2"},
	}
	for _, variable := range board.Variables {
		if variable.Type != "query" {
			continue
		}
		found := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(variable.Query)
		require.NotNil(t, found, variable.Query)
		series, label := found[1], found[2]
		want := expectation{minute: m.last}
		for _, value := range offered[variable.Name] {
			labels := model.Metric{}
			if value != "" {
				labels[model.LabelName(label)] = value
			}
			want.samples = append(want.samples, one(labels, 1))
		}
		delete(offered, variable.Name)
		ask(fmt.Sprintf("group by (%s) (%s)", label, expand(series, "", "")), want)
	}
	require.Empty(t, offered, "no such variables")
}
