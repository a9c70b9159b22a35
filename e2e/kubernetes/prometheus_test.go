// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// prometheus is a real Prometheus on the node.
type prometheus struct{ api promv1.API }

// newPrometheus starts one, on what a directory has already.
func newPrometheus(t *testing.T, data, config string, flags ...string) *prometheus {
	t.Helper()
	file := filepath.Join(t.TempDir(), "prometheus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	run(t, nil, os.Getenv("PROMETHEUS"), append([]string{
		"--config.file=" + file, "--storage.tsdb.path=" + data, "--web.listen-address=127.0.0.1:9090", "--log.level=warn",
	}, flags...)...)
	client, err := api.NewClient(api.Config{Address: "http://127.0.0.1:9090"})
	require.NoError(t, err)
	p := &prometheus{promv1.NewAPI(client)}
	eventually(t, "Prometheus starts", func() bool {
		_, err := p.api.Buildinfo(context.Background())
		return err == nil
	})
	return p
}

// values evaluates an expression now. Its values are by one label.
func (p *prometheus) values(t *testing.T, expression string, label model.LabelName) map[string]int64 {
	t.Helper()
	result, _, err := p.api.Query(context.Background(), expression, time.Now())
	require.NoError(t, err)
	values := map[string]int64{}
	for _, sample := range result.(model.Vector) {
		require.NotContains(t, values, string(sample.Metric[label]), "%s: %v", expression, result)
		values[string(sample.Metric[label])] = int64(sample.Value)
	}
	return values
}

// alerts are those that are pending or fire, with their states.
func (p *prometheus) alerts(t *testing.T) map[string]string {
	t.Helper()
	result, err := p.api.Alerts(context.Background())
	require.NoError(t, err)
	found := map[string]string{}
	for _, alert := range result.Alerts {
		found[string(alert.Labels["alertname"])+" "+string(alert.Labels["severity"])] = string(alert.State)
	}
	return found
}
