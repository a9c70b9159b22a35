// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// migrationSeries are those of the receiver and of two exporters, for an hour in which the SA
// is replaced once: the gauges of the exporters end, and begin again with another uid.
const migrationSeries = `
- { series: 'xfrm_tunnel_io_bytes_total{host_name="gw1", xfrm_reqid="101", network_peer_address="192.0.2.2", direction="inbound"}', values: '0+3000x120' }
- { series: 'ipsec_child_sa_bytes_in{host_name="gw1", reqid="101", name="berlin", uid="1"}', values: '0+3000x120' }
- { series: 'ipsec_child_sa_state{host_name="gw1", reqid="101", name="berlin", uid="1"}', values: '3x60 6x60' }
- { series: 'ipsec_child_sa_state{host_name="gw1", reqid="101", name="berlin", uid="2"}', values: '_x60 3x60' }
- { series: 'strongswan_ike_info{host_name="gw1", ike_id="1", remote_host="192.0.2.2", remote_id="berlin.example.com"}', values: '1x120' }
- { series: 'strongswan_ike_info{host_name="gw1", ike_id="2", remote_host="192.0.2.2", remote_id="berlin.example.com"}', values: '_x60 1x60' }
`

// migrationResults are the results of the queries of docs/migrate.md, in order.
var migrationResults = []string{
	`{ labels: '{host_name="gw1", xfrm_reqid="101"}', value: 0 }`,
	`{ labels: '{host_name="gw1", xfrm_reqid="101", direction="inbound", name="berlin"}', value: 100 }`,
	`{ labels: '{host_name="gw1", network_peer_address="192.0.2.2", direction="inbound", remote_id="berlin.example.com"}', value: 100 }`,
}

// Every query of docs/migrate.md finds what the page says, also while two SAs of a tunnel
// exist.
func TestMigrationQueries(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "docs", "migrate.md"))
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^ *```promql\n(.*?)^ *```$").FindAllStringSubmatch(string(content), -1)
	require.Len(t, blocks, len(migrationResults))
	var test strings.Builder
	test.WriteString("fuzzy_compare: true\ntests:\n- interval: 30s\n  input_series:" + strings.ReplaceAll(migrationSeries, "\n", "\n  ") + "\n  promql_expr_test:\n")
	for i, block := range blocks {
		test.WriteString("  - eval_time: 60m\n    exp_samples: [" + migrationResults[i] + "]\n    expr: |\n")
		for line := range strings.Lines(block[1]) {
			test.WriteString("      " + line)
		}
	}
	out, err := exec.Command(program(t, "PROMTOOL"), "test", "rules", writeFile(t, "test.yaml", test.String())).CombinedOutput()
	assert.NoError(t, err, "%s", out)
}

// Every series of the receiver that docs/migrate.md names is one that docs/tunnels.md or
// docs/prometheus.md explains, whose names other tests compare with what is served.
func TestMigrationNames(t *testing.T) {
	read := func(page string) string {
		content, err := os.ReadFile(filepath.Join("..", "docs", page))
		require.NoError(t, err)
		return string(content)
	}
	explained := read("tunnels.md") + read("prometheus.md")
	names := regexp.MustCompile(`\b(?:xfrm_[a-z_]+|network_(?:local|peer)_address)\b`).FindAllString(read("migrate.md"), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		if name != "xfrm_policy_scope" { // docs/tunnels.md names the attribute
			assert.Regexp(t, `\b`+name+`\b`, explained)
		}
	}
}
