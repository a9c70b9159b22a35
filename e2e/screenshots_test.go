// SPDX-License-Identifier: Apache-2.0

//go:build screenshots

package e2e

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/stretchr/testify/require"
)

// TestScreenshots is `make screenshots`: what a real Prometheus shows in its web
// pages while a real kernel drops packets, as docs/images. It needs chromium, and
// a Prometheus that has the pages, as Debian's.
func TestScreenshots(t *testing.T) {
	requireRoot(t)
	images, err := filepath.Abs(filepath.Join("..", "docs", "images"))
	require.NoError(t, err)
	here, there := pair(t)
	// The page shows where the rules are.
	const rules = "/run/otelcol-xfrm/alerts.yaml"
	content, err := os.ReadFile(filepath.Join("..", "monitoring", "alerts.yaml"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Dir(rules), 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(rules)) })
	require.NoError(t, os.WriteFile(rules, content, 0o644))
	data := t.TempDir()
	anHourOfHeartbeats(t, data, `{instance="127.0.0.1:9464"}`)
	prom := newPrometheusOn(t, here, data, fmt.Sprintf(alertsConfig, rules))
	here.collector(sparseConfig)

	block(here, thereAddress)
	here.ip("xfrm", "policy", "add", "src", hereAddress, "dst", "192.0.2.3", "dir", "out",
		"tmpl", "proto", "esp", "mode", "transport", "level", "required")
	here.ip("xfrm", "policy", "add", "src", thereAddress, "dst", hereAddress, "dir", "in",
		"tmpl", "proto", "esp", "mode", "transport", "level", "required")
	for i := range 100 {
		here.send(thereAddress, 1+i%3)
		there.sendFrom(thereAddress, hereAddress, 3)
		here.sendFrom(hereAddress, "192.0.2.3", i%2)
		time.Sleep(time.Second)
	}
	require.NotEmpty(t, prom.query(`ALERTS{alertstate="`+string(promv1.AlertStateFiring)+`"}`), "nothing fires")

	graph := url.Values{"g0.expr": {"xfrm_packet_dropped_total"}, "g0.tab": {"0"}, "g0.range_input": {"3m"}}
	for name, page := range map[string]struct{ url, size string }{
		"series": {"http://127.0.0.1:9090/graph?" + graph.Encode(), "1200,900"},
		"alert":  {"file://" + opened(t, here, "classic/alerts"), "1200,1250"},
	} {
		out, err := here.command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
			"--user-data-dir="+t.TempDir(), "--window-size="+page.size, "--virtual-time-budget=15000",
			"--screenshot="+filepath.Join(images, "prometheus-"+name+".png"), page.url).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// opened is a page of Prometheus in which the first alert, and the annotations,
// are clicked on.
func opened(t *testing.T, ns *namespace, page string) string {
	t.Helper()
	const server = "http://127.0.0.1:9090/"
	response, err := ns.client().Get(server + page)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	text := strings.Replace(string(content), "<head>", `<head><base href="`+server+`">`, 1)
	text = strings.Replace(text, "</body>", `<script>
		$(function() { $(".alert_header").first().click(); $("div.show-annotations").click(); });
	</script></body>`, 1)
	return writeFile(t, "page.html", text)
}
