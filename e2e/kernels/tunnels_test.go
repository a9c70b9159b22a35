// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// The metrics of tunnels count every packet and every byte, whatever happens to the
// associations, and the drops of a tunnel are those of the kernel's counters.
func TestTunnels(t *testing.T) {
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases(tunnelSeries()...)
	require.NoError(t, err)
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			guest := newGuest(t, cache, release)
			guest.modules("esp4_offload")
			requireTunnelSteps(t, guest.bootTunnels("tunnels", 8*time.Minute), traffic.Steps())
		})
	}
}

// So they do whatever strongSwan does.
func TestStrongSwanTunnels(t *testing.T) {
	testDaemon(t, "strongswan-tunnels", tunnel.StrongSwan(), (*guest).strongSwan, "strongswan-charon", "strongswan-swanctl")
}

// And whatever libreswan does.
func TestLibreswanTunnels(t *testing.T) {
	testDaemon(t, "libreswan-tunnels", tunnel.Libreswan(), (*guest).libreswan, "libreswan", "libnss3-tools")
}

func testDaemon(t *testing.T, arg string, steps []traffic.Step, add func(*guest, string), packages ...string) {
	t.Helper()
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases("6.12")
	require.NoError(t, err)
	tree, err := cache.Tree(packages...)
	require.NoError(t, err)
	guest := newGuest(t, cache, releases[0])
	guest.modules("esp6", "xfrm_interface", "ip_vti")
	add(guest, tree)
	requireTunnelSteps(t, guest.bootTunnels(arg, 8*time.Minute), steps)
}

// tunnelSeries are the kernels, one in an ordinary run.
func tunnelSeries() []string {
	if os.Getenv("VERIFICATION_DIR") == "" {
		return []string{"6.12"}
	}
	return []string{"6.1", "6.12"}
}

// bootTunnels runs the guest and returns what it did.
func (g *guest) bootTunnels(arg string, limit time.Duration) map[string]*report.TunnelStep {
	g.t.Helper()
	steps := map[string]*report.TunnelStep{}
	for _, line := range g.run(arg, limit) {
		if line.Tunnel != nil {
			steps[line.Tunnel.Name] = line.Tunnel
		}
	}
	return steps
}

func requireTunnelSteps(t *testing.T, done map[string]*report.TunnelStep, steps []traffic.Step) {
	t.Helper()
	for _, step := range steps {
		t.Run(step.Name, func(t *testing.T) {
			got := done[step.Name]
			require.NotNil(t, got, "the guest did not run it")
			require.Empty(t, got.Error)
			rises := func(name string) float64 { return got.After[name] - got.Before[name] }
			expect := report.Series{}
			maps.Copy(expect, step.Expect)
			maps.Copy(expect, got.Sent)
			for _, name := range slices.Sorted(maps.Keys(expect)) {
				assert.InDelta(t, expect[name], rises(name), 0, "rise of %s", name)
			}
			for name := range got.After {
				if _, expected := expect[name]; strings.Contains(name, "packet.dropped") && strings.Contains(name, "tunnel") && !expected {
					assert.Zero(t, rises(name), "rise of %s", name)
				}
			}
			for name, value := range step.After {
				require.Contains(t, got.After, name)
				assert.InDelta(t, value, got.After[name], 0, name)
			}
			for name, rise := range step.Kernel {
				assert.Equal(t, rise, got.Kernel[name], "rise of %s", name)
			}
			assert.Contains(t, got.Log, step.Logs)
			if t.Failed() {
				t.Log(describe(got))
			}
		})
	}
}

// describe lists what changed.
func describe(step *report.TunnelStep) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(step.After)) {
		if rise := step.After[name] - step.Before[name]; rise != 0 {
			fmt.Fprintf(&b, "%s: %g + %g\n", name, step.Before[name], rise)
		}
	}
	return fmt.Sprintf("%skernel: %v\ncollector: %s", b.String(), step.Kernel, step.Log)
}
