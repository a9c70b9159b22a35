// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// prometheus is a real Prometheus server in a namespace.
type prometheus struct {
	t       *testing.T
	process *process
	api     promv1.API
}

// newPrometheus starts Prometheus with the configuration, on 127.0.0.1:9090 of
// the namespace.
func newPrometheus(t *testing.T, ns *namespace, config string, flags ...string) *prometheus {
	t.Helper()
	return newPrometheusOn(t, ns, filepath.Join(t.TempDir(), "data"), config, flags...)
}

// newPrometheusOn starts one that has the blocks of a folder already.
func newPrometheusOn(t *testing.T, ns *namespace, data, config string, flags ...string) *prometheus {
	t.Helper()
	args := append([]string{
		program(t, "PROMETHEUS"),
		"--config.file=" + writeFile(t, "prometheus.yaml", config),
		"--storage.tsdb.path=" + data,
		"--web.listen-address=127.0.0.1:9090",
		"--log.level=warn",
	}, flags...)
	process := run(t, ns.command(args...))
	client, err := api.NewClient(api.Config{Address: "http://127.0.0.1:9090", Client: ns.client()})
	require.NoError(t, err)
	p := &prometheus{t: t, process: process, api: promv1.NewAPI(client)}
	require.Eventually(t, func() bool {
		_, err := p.api.Buildinfo(context.Background())
		return err == nil
	}, 30*time.Second, 50*time.Millisecond, "Prometheus does not start")
	return p
}

// query evaluates an expression now.
func (p *prometheus) query(expression string) model.Vector {
	p.t.Helper()
	// It can be slow on a busy machine, but not for ever.
	for end := time.Now().Add(slow); ; {
		got, _, err := p.api.Query(context.Background(), expression, time.Now())
		if err == nil {
			return got.(model.Vector)
		}
		require.True(p.t, time.Now().Before(end), err)
	}
}

// samples are those of the one series that a range selector finds.
func (p *prometheus) samples(selector string) map[time.Time]int64 {
	p.t.Helper()
	result, _, err := p.api.Query(context.Background(), selector, time.Now())
	require.NoError(p.t, err)
	require.Len(p.t, result, 1, "%s", selector)
	got := map[time.Time]int64{}
	for _, sample := range result.(model.Matrix)[0].Values {
		got[sample.Timestamp.Time().UTC()] = int64(sample.Value)
	}
	return got
}

// seriesOf are the values of an expression by the given labels.
func (p *prometheus) seriesOf(expression string, labels ...model.LabelName) map[string]int64 {
	p.t.Helper()
	got := map[string]int64{}
	for _, sample := range p.query(expression) {
		var key []string
		for _, label := range labels {
			key = append(key, string(sample.Metric[label]))
		}
		joined := strings.Join(key, "/")
		require.NotContains(p.t, got, joined, "two series are alike")
		got[joined] = int64(sample.Value)
	}
	return got
}

// series are the values of xfrm_packet_dropped_total by direction and reason.
func (p *prometheus) series() map[string]int64 {
	p.t.Helper()
	return p.seriesOf("xfrm_packet_dropped_total", "direction", "reason")
}
