// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// addPolicies sets policies in a namespace.
func addPolicies(ns *namespace, in, out, forward int) {
	ns.t.Helper()
	for direction, count := range map[string]int{"in": in, "out": out, "fwd": forward} {
		for i := range count {
			ns.ip("xfrm", "policy", "add", "src", "198.51.100."+strconv.Itoa(i), "dst", "203.0.113.1", "dir", direction)
		}
	}
}

// hasPolicies checks the numbers of policies of one namespace.
func hasPolicies(t *testing.T, got map[string]int64, namespace string, in, out, forward int64) {
	t.Helper()
	for key, want := range map[string]int64{
		"inbound/namespace": in, "outbound/namespace": out, "forward/namespace": forward,
		"inbound/socket": 0, "outbound/socket": 0, "forward/socket": 0,
	} {
		if assert.Contains(t, got, namespace+key) {
			assert.Equal(t, want, got[namespace+key], namespace+key)
		}
	}
}

// The overlay for tunnels counts policies and associations in each kind of namespace,
// with just the capabilities that docs/tunnels.md names. Without one of them, that is
// said once, and the drops arrive.
func TestTunnelsOverlay(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	addPolicies(here, 1, 2, 3)
	block(here, thereAddress)
	here.send(thereAddress, 7)
	sent := int64(7)
	site := newNamespace(t)
	addPolicies(site, 4, 5, 6)
	// A larval association is all that a kernel without ESP has. It ends after 30 s.
	out, err := site.command("sh", "-c", "echo 3600 >/proc/sys/net/core/xfrm_acq_expires").CombinedOutput()
	require.NoError(t, err, "%s", out)
	site.ip("xfrm", "state", "allocspi", "src", hereAddress, "dst", thereAddress, "proto", "esp", "mode", "tunnel", "reqid", "1")
	pid := fmt.Sprintf("process_pid=%d ", site.sleep())
	named := "netns_name=" + site.name + " "

	const netAdmin, sysAdmin, ptrace = "net_admin", "sys_admin", "sys_ptrace"
	const needsNetAdmin = "requires the capability CAP_NET_ADMIN"
	const needsBoth = "requires the capabilities CAP_SYS_PTRACE and CAP_SYS_ADMIN"
	for name, test := range map[string]struct {
		config       string
		capabilities []string
		// own says that the policies of the collector's namespace are counted, other
		// in which other those of site are.
		own   bool
		other string
		says  string
	}{
		"host":                           {"host.yaml", []string{netAdmin}, true, "", ""},
		"host, none":                     {"host.yaml", nil, false, "", needsNetAdmin},
		"host, another one":              {"host.yaml", []string{sysAdmin}, false, "", needsNetAdmin},
		"named":                          {"gateway.yaml", []string{netAdmin, sysAdmin}, true, named, ""},
		"named, without CAP_SYS_ADMIN":   {"gateway.yaml", []string{netAdmin}, true, "", "requires the capability CAP_SYS_ADMIN"},
		"named, without CAP_NET_ADMIN":   {"gateway.yaml", []string{sysAdmin}, false, "", needsNetAdmin},
		"processes":                      {"processes.yaml", []string{netAdmin, sysAdmin, ptrace}, true, pid, ""},
		"processes, no CAP_SYS_PTRACE":   {"processes.yaml", []string{netAdmin, sysAdmin}, true, "", needsBoth},
		"processes, no CAP_SYS_ADMIN":    {"processes.yaml", []string{netAdmin, ptrace}, true, "", needsBoth},
		"processes, CAP_NET_ADMIN alone": {"processes.yaml", []string{netAdmin}, true, "", needsBoth},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(unprivileged(test.capabilities...), publicProgram(t))
			for _, file := range []string{test.config, "tunnels.yaml"} {
				args = append(args, "--config", public(t, file, readShipped(t, file)))
			}
			args = append(args, "--config", "yaml:receivers::xfrm::collection_interval: 200ms",
				"--config", "yaml:receivers::xfrm::initial_delay: 0s")
			if test.config == "gateway.yaml" {
				args = append(args, "--config", "yaml:receivers::xfrm::network_namespaces::named::include: ["+site.name+"]")
			}
			c := run(t, here.command(args...))
			here.serves(c, drops)
			// What is sent now is counted by a later scrape, which fails in the same way.
			here.send(thereAddress, 1)
			sent++
			var text string
			eventually(t, "the drops arrive", func() bool {
				text = here.serves(c, drops)
				return parseText(t, text, namespaceLabels...)["outbound/pol_block"] == sent
			})

			got := parsePolicies(t, text, "netns_name", "process_pid")
			assert.Equal(t, test.own, len(ofNamespace(got, "")) > 0)
			if test.own {
				hasPolicies(t, got, "", 1, 3, 3) // the one that blocks is one of them
			}
			for _, other := range []string{named, pid} {
				if other == test.other {
					hasPolicies(t, got, other, 4, 5, 6)
				} else {
					assert.Empty(t, ofNamespace(got, other))
				}
			}
			if test.other == named {
				assert.Contains(t, text, `xfrm_sa_count{host_name="localhost",instance="localhost",job="otelcol-xfrm",netns_name="`+site.name+`"} 1`)
			}
			assert.NotContains(t, text, "xfrm_tunnel", "a larval association is no tunnel")

			c.interrupt()
			if test.says == "" {
				assert.NotContains(t, c.output.String(), "\terror\t")
			} else {
				assert.Equal(t, 1, strings.Count(c.output.String(), test.says), "one message")
			}
		})
	}
}

// ofNamespace are the entries of one namespace.
func ofNamespace(all map[string]int64, namespace string) map[string]int64 {
	got := map[string]int64{}
	for key, value := range all {
		if rest, ok := strings.CutPrefix(key, namespace); ok && !strings.Contains(rest, "=") {
			got[rest] = value
		}
	}
	return got
}

// The overlay enables every metric that is off by default.
func TestTunnelsOverlayIsComplete(t *testing.T) {
	metadata := readMetadata(t)
	var overlay struct {
		Receivers struct {
			XFRM struct {
				Metrics map[string]struct{ Enabled bool } `json:"metrics"`
			} `json:"xfrm"`
		} `json:"receivers"`
	}
	unmarshal(t, readShipped(t, "tunnels.yaml"), &overlay)
	require.NotEmpty(t, overlay.Receivers.XFRM.Metrics)
	for name, metric := range metadata.Metrics {
		assert.Equal(t, !metric.Enabled, overlay.Receivers.XFRM.Metrics[name].Enabled, name)
	}
}
