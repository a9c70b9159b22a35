// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"sigs.k8s.io/yaml"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/promtool"
)

// tunnelLabels tell the tunnels of the test of the queries apart. gw1 and gw2 are the
// two ends of a tunnel. The other one of gw1 has lost its SAs, that of gw2 receives
// nothing.
var tunnelLabels = map[string]string{
	"berlin":         tunnelOf("gw1", "192.0.2.1", "192.0.2.2", "101"),
	"berlin's peer":  tunnelOf("gw2", "192.0.2.2", "192.0.2.1", "7"),
	"lisbon":         tunnelOf("gw1", "192.0.2.1", "192.0.2.3", "102"),
	"madrid":         tunnelOf("gw2", "192.0.2.2", "192.0.2.4", "8"),
	"berlin's reqid": `host_name="gw1", xfrm_reqid="101"`,
	"lisbon's reqid": `host_name="gw1", xfrm_reqid="102"`,
}

func tunnelOf(host, local, peer, reqid string) string {
	return fmt.Sprintf(`host_name=%q, network_local_address=%q, network_peer_address=%q, xfrm_protocol="esp", xfrm_mode="tunnel", xfrm_reqid=%q`,
		host, local, peer, reqid)
}

// seriesWith writes one with the labels of a tunnel, and others.
func seriesWith(metric, tunnel string, more ...string) string {
	return metric + "{" + strings.Join(append([]string{tunnelLabels[tunnel]}, more...), ", ") + "}"
}

const inbound, outbound = `direction="inbound"`, `direction="outbound"`

// tunnelSeries are what the queries of docs/tunnels.md run on, one value every 30 s.
var tunnelSeries = map[string]string{
	seriesWith("xfrm_tunnel_io_bytes_total", "berlin", outbound):                "0+30000x80",
	seriesWith("xfrm_tunnel_io_bytes_total", "berlin", inbound):                 "0+15000x80",
	seriesWith("xfrm_tunnel_io_bytes_total", "lisbon", outbound):                "5x80",
	seriesWith("xfrm_tunnel_packet_count_total", "berlin", outbound):            "0+30x80",
	seriesWith("xfrm_tunnel_packet_count_total", "berlin's peer", inbound):      "100+29x80",
	seriesWith("xfrm_tunnel_packet_count_total", "berlin's peer", outbound):     "0+20x80",
	seriesWith("xfrm_tunnel_packet_count_total", "berlin", inbound):             "0+20x80",
	seriesWith("xfrm_tunnel_packet_count_total", "lisbon", outbound):            "9x80",
	seriesWith("xfrm_tunnel_packet_count_total", "madrid", outbound):            "0+15x80",
	seriesWith("xfrm_tunnel_packet_count_total", "madrid", inbound):             "4x80",
	seriesWith("xfrm_tunnel_packet_dropped_total", "berlin", `reason="replay"`): "0+3x80",
	seriesWith("xfrm_tunnel_packet_dropped_total", "lisbon", `reason="replay"`): "8x80",
	seriesWith("xfrm_tunnel_sequence_utilization_ratio", "berlin"):              "0.95x80",
	seriesWith("xfrm_tunnel_sequence_utilization_ratio", "berlin's peer"):       "0.125+0.0078125x80",
	seriesWith("xfrm_tunnel_sa_lifetime_utilization_ratio", "berlin", outbound): "0.97x80",
	seriesWith("xfrm_tunnel_sa_lifetime_utilization_ratio", "berlin", inbound):  "0.9x80",
	seriesWith("xfrm_tunnel_sa_age_seconds", "berlin", outbound):                "20000+30x80",
	seriesWith("xfrm_tunnel_sa_age_seconds", "berlin", inbound):                 "0+30x80",
	seriesWith("xfrm_tunnel_sa_created_total", "berlin", outbound):              "0+1x80",
	seriesWith("xfrm_tunnel_sa_created_total", "berlin", inbound):               "1x80",
	seriesWith("xfrm_tunnel_idle_time_seconds", "berlin", inbound):              "400x80",
	seriesWith("xfrm_tunnel_idle_time_seconds", "berlin", outbound):             "10x80",
	seriesWith("xfrm_tunnel_idle_time_seconds", "berlin's peer", inbound):       "700x80",
	seriesWith("xfrm_tunnel_idle_time_seconds", "berlin's peer", outbound):      "900x80",
	seriesWith("xfrm_tunnel_sa_count", "berlin", inbound):                       "3x80",
	seriesWith("xfrm_tunnel_sa_count", "berlin", outbound):                      "1x80",
	seriesWith("xfrm_tunnel_sa_count", "lisbon", inbound):                       "1x30 0x50",
	seriesWith("xfrm_tunnel_sa_count", "lisbon", outbound):                      "1x30 0x50",
}

// queryResults are the results of the queries below each heading, half an hour later.
var queryResults = map[string][]map[string]float64{
	"Traffic by peer": {{
		`{host_name="gw1", network_peer_address="192.0.2.2", direction="outbound"}`: 8000,
		`{host_name="gw1", network_peer_address="192.0.2.2", direction="inbound"}`:  4000,
		`{host_name="gw1", network_peer_address="192.0.2.3", direction="outbound"}`: 0,
	}},
	"Loss between two ends": {{
		`{network_local_address="192.0.2.1", network_peer_address="192.0.2.2"}`: 20,
		`{network_local_address="192.0.2.2", network_peer_address="192.0.2.1"}`: 0,
	}},
	"Replayed, late and forged packets by peer": {{
		`{host_name="gw1", network_peer_address="192.0.2.2", xfrm_reqid="101", reason="replay"}`: 60,
	}},
	"Sequence numbers nearly used up": {
		{seriesWith("xfrm_tunnel_sequence_utilization_ratio", "berlin"): 0.95},
		{seriesWith("", "berlin's peer"): 0.125 + 60*0.0078125 + 120*0.0078125},
	},
	"No rekey in time": {
		{seriesWith("xfrm_tunnel_sa_lifetime_utilization_ratio", "berlin", outbound): 0.97},
		{seriesWith("xfrm_tunnel_sa_age_seconds", "berlin", outbound): 21800},
	},
	"Rekeys too often": {{seriesWith("", "berlin", outbound): 60}},
	"Idle": {
		{seriesWith("", "berlin's peer"): 700},
		{seriesWith("", "lisbon"): 0},
		{seriesWith("", "madrid", outbound): 0.5},
	},
	"A tunnel without an SA": {
		{seriesWith("", "lisbon"): 0},
		{seriesWith("", "lisbon's reqid"): 0},
	},
	"Traffic by name": {{
		seriesWith("", "berlin's reqid", outbound, `tunnel="berlin"`): 1000,
		seriesWith("", "berlin's reqid", inbound, `tunnel="berlin"`):  500,
		seriesWith("", "lisbon's reqid", outbound, `tunnel="lisbon"`): 0,
	}},
	"A configured tunnel is missing": {{
		seriesWith("ipsec_tunnel_info", "lisbon's reqid", `tunnel="lisbon"`): 1,
	}},
}

// Every query of docs/tunnels.md finds what the page says that it finds.
func TestTunnelQueries(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "docs", "tunnels.md"))
	require.NoError(t, err)
	rules := ""
	for _, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
		if block[1] == "rules" {
			rules += block[2]
		}
	}
	require.NotEmpty(t, rules)

	var inputs []promtool.Series
	for _, series := range slices.Sorted(maps.Keys(tunnelSeries)) {
		inputs = append(inputs, promtool.Series{Series: series, Values: tunnelSeries[series]})
	}
	var queries []promtool.Query
	seen := map[string]bool{}
	for _, section := range strings.Split(string(content), "\n#")[1:] {
		heading, text, _ := strings.Cut(strings.TrimLeft(section, "# "), "\n")
		blocks := promqlBlock.FindAllStringSubmatch(text, -1)
		if len(blocks) == 0 {
			continue
		}
		seen[heading] = true
		if !assert.Len(t, blocks, len(queryResults[heading]), heading) {
			continue
		}
		for i, block := range blocks {
			one := promtool.Query{Expr: block[1], EvalTime: "30m"}
			for labels, value := range queryResults[heading][i] {
				one.Samples = append(one.Samples, promtool.Sample{Labels: labels, Value: value})
			}
			queries = append(queries, one)
		}
	}
	assert.Len(t, seen, len(queryResults))
	assert.NoError(t, promtool.Test{
		RuleFiles: []string{writeFile(t, "rules.yaml", rules)}, Interval: "30s", Series: inputs, Queries: queries,
	}.Run(program(t, "PROMTOOL"), t.TempDir()))
}

var promqlBlock = regexp.MustCompile("(?ms)^```promql\n(.*?)^```$")

// checkRules lets promtool check a file of rules.
func checkRules(t *testing.T, text string) {
	t.Helper()
	out, err := exec.Command(program(t, "PROMTOOL"), "check", "rules", writeFile(t, "rules.yaml", text)).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// metadata is metadata.yaml.
type metadata struct {
	Attributes map[string]struct {
		Name string   `json:"name_override"`
		Type string   `json:"type"`
		Enum []string `json:"enum"`
	} `json:"attributes"`
	Metrics map[string]struct {
		Enabled bool   `json:"enabled"`
		Unit    string `json:"unit"`
		Sum     *struct {
			Monotonic bool `json:"monotonic"`
		} `json:"sum"`
		Attributes []string `json:"attributes"`
	} `json:"metrics"`
	Events map[string]struct {
		Enabled bool `json:"enabled"`
	} `json:"events"`
}

func readMetadata(t *testing.T) (m metadata) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "metadata.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &m))
	require.NotEmpty(t, m.Metrics)
	return m
}

// sample returns one point of every metric, with all of its attributes.
func (m metadata) sample() pmetric.Metrics {
	md := pmetric.NewMetrics()
	metrics := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	for name, metric := range m.Metrics {
		one := metrics.AppendEmpty()
		one.SetName(name)
		one.SetUnit(metric.Unit)
		var points pmetric.NumberDataPointSlice
		if metric.Sum == nil {
			points = one.SetEmptyGauge().DataPoints()
		} else {
			sum := one.SetEmptySum()
			sum.SetIsMonotonic(metric.Sum.Monotonic)
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			points = sum.DataPoints()
		}
		point := points.AppendEmpty()
		point.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		point.SetIntValue(1)
		for _, key := range metric.Attributes {
			attribute := m.Attributes[key]
			if attribute.Name == "" {
				attribute.Name = key
			}
			switch attribute.Type {
			case "int":
				point.Attributes().PutInt(attribute.Name, 1)
			case "bool":
				point.Attributes().PutBool(attribute.Name, true)
			default:
				point.Attributes().PutStr(attribute.Name, strings.Join(attribute.Enum, ""))
				if attribute.Enum == nil {
					point.Attributes().PutStr(attribute.Name, "x")
				}
			}
		}
	}
	return md
}

// The names and labels that docs/tunnels.md gives for Prometheus are those that the
// shipped configuration serves.
func TestTunnelSeries(t *testing.T) {
	requireRoot(t)
	ns := newNamespace(t)
	override := writeFile(t, "otlp.yaml", `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:4318" } } } }
service: { pipelines: { metrics: { receivers: [otlp] } } }
`)
	c := run(t, ns.command(program(t, "OTELCOL_XFRM"), "--config", shipped("host.yaml"), "--config", override))
	metadata := readMetadata(t)
	body, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(metadata.sample())
	require.NoError(t, err)
	eventually(t, "the metrics are sent", func() bool {
		response, err := ns.client().Post("http://127.0.0.1:4318/v1/metrics", "application/json", bytes.NewReader(body))
		if err != nil {
			return false
		}
		defer func() { _, _ = io.Copy(io.Discard, response.Body); _ = response.Body.Close() }()
		return response.StatusCode == http.StatusOK
	})
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(ns.serves(c, policyCount)))
	require.NoError(t, err)
	labels := map[string]map[string]bool{}
	for name, family := range families {
		labels[name] = map[string]bool{}
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels[name][label.GetName()] = true
		}
	}

	content, err := os.ReadFile(filepath.Join("..", "docs", "tunnels.md"))
	require.NoError(t, err)
	documented := 0
	for _, row := range regexp.MustCompile("(?m)^\\| `(xfrm\\.[a-z_.]+)` \\| `(xfrm_[a-z_]+)` \\|").FindAllStringSubmatch(string(content), -1) {
		if _, ok := metadata.Metrics[row[1]]; ok {
			documented++
			assert.Contains(t, labels, row[2], row[1])
		}
	}
	assert.Equal(t, len(metadata.Metrics)-2, documented, "all but the two that are on by default")
	for _, label := range regexp.MustCompile("`((?:network|xfrm|otel)_[a-z_]+)[`=]").FindAllStringSubmatch(string(content), -1) {
		if !strings.HasPrefix(label[1], "xfrm_tunnel") && labels[label[1]] == nil && label[1] != "xfrm_stat" && label[1] != "xfrm_user" {
			assert.True(t, labels["xfrm_tunnel_io_bytes_total"][label[1]], label[1])
		}
	}
	name := regexp.MustCompile(`^([a-z_]+)\{`)
	key := regexp.MustCompile(`([a-z_]+)="`)
	for series := range tunnelSeries {
		served := labels[name.FindStringSubmatch(series)[1]]
		for _, label := range key.FindAllStringSubmatch(series, -1) {
			assert.True(t, served[label[1]] || label[1] == "host_name", series)
		}
	}
}

// unmarshal decodes YAML.
func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(text), into))
}
