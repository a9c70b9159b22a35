// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// provocation is a way to make a kernel that has policies, and no ESP, count.
type provocation struct {
	counter string
	// policy is set in the namespace that is to count.
	policy []string
	// inbound says that the packets come from the peer.
	inbound bool
}

// templates are n templates of a policy, each of which wants ESP.
func templates(n int) []string {
	var args []string
	for range n {
		args = append(args, "tmpl", "proto", "esp", "mode", "transport", "level", "required")
	}
	return args
}

func provocations() []provocation {
	in := []string{"policy", "add", "src", thereAddress, "dst", hereAddress, "dir", "in"}
	out := []string{"policy", "add", "src", hereAddress, "dst", thereAddress, "dir", "out"}
	with := func(args []string, more ...string) []string { return append(append([]string(nil), args...), more...) }
	return []provocation{
		{"inbound/pol_block", with(in, "action", "block"), true},
		{"inbound/tmpl_mismatch", with(in, templates(1)...), true},
		{"inbound/buffer_error", with(in, templates(6)...), true},
		{"inbound/no_pols", []string{"policy", "setdefault", "in", "block"}, true},
		{"outbound/pol_block", with(out, "action", "block"), false},
		{"outbound/no_states", with(out, templates(1)...), false},
		{"outbound/pol_error", with(out, templates(6)...), false},
	}
}

// All counters that this machine's kernel can raise without ESP, in the
// collector's own, a named and a process's namespace: exactly as many as there
// were packets, and nothing on any other.
func TestEveryCounterOfThisKernel(t *testing.T) {
	requireRoot(t)
	own, ownPeer := pair(t)
	named, namedPeer := pair(t)
	processes, processesPeer := pair(t)
	pid := processes.sleep()
	sink := newOTLPSink(t, own)
	prom := newPrometheus(t, own, scrapeConfig)
	config := strings.NewReplacer("exporters: [otlp_grpc]", "exporters: [otlp_grpc, prometheus]",
		"exporters:\n  otlp_grpc:", `exporters:
  prometheus:
    endpoint: 127.0.0.1:9464
    without_scope_info: true
    resource_constant_labels:
      included: [netns.name, process.pid]
  otlp_grpc:`).Replace(toSink) +
		fmt.Sprintf("    network_namespaces: { processes: true, named: { include: [%s] } }\n", named.name)
	own.collector(config, "sys_admin")

	targets := []struct {
		kind       string
		here, peer *namespace
		attributes string
		selector   string
	}{
		{"its own", own, ownPeer, "", `netns_name="",process_pid=""`},
		{"a named", named, namedPeer, "netns.name=" + named.name + " ", `netns_name="` + named.name + `"`},
		{"a process's", processes, processesPeer, fmt.Sprintf("process.pid=%d ", pid), fmt.Sprintf(`process_pid="%d"`, pid)},
	}
	want := map[string]map[string]int64{}
	for _, target := range targets {
		want[target.attributes] = resource(t, sink.next(), target.attributes)
		require.Len(t, want[target.attributes], len(readStat(t)), target.kind)
	}
	raised := map[string]int{}
	for i, p := range provocations() {
		for j, target := range targets {
			t.Run(p.counter+" in "+target.kind+" namespace", func(t *testing.T) {
				count := 10*i + j + 1
				target.here.ip(append([]string{"xfrm"}, p.policy...)...)
				if p.inbound {
					target.peer.sendFrom(thereAddress, hereAddress, count)
				} else {
					target.here.sendFrom(hereAddress, thereAddress, count)
				}
				target.here.ip("xfrm", "policy", "flush")
				target.here.ip("xfrm", "policy", "setdefault", "in", "accept")
				want[target.attributes][p.counter] += int64(count)

				eventually(t, "the packets are counted", func() bool {
					return resource(t, sink.next(), target.attributes)[p.counter] >= want[target.attributes][p.counter]
				})
				md := sink.next()
				for _, other := range targets {
					assert.Equal(t, want[other.attributes], resource(t, md, other.attributes), "OTLP: %s", other.kind)
					eventually(t, "Prometheus has the same", func() bool {
						got := prom.seriesOf("xfrm_packet_dropped_total{"+other.selector+"}", "direction", "reason")
						return maps.Equal(want[other.attributes], got)
					})
				}
				raised[p.counter]++
			})
		}
	}
	if !t.Failed() {
		verifiedHere(raised, len(targets))
	}
}
