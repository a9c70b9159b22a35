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
	tunnelTest{
		title: "Tunnels with keys set by hand",
		text: "A collector at each end, in steps of one guest. The number is how many values of their metrics were compared and\n" +
			"are what was sent, received, dropped or created. Besides, no other tunnel's drops moved, no cumulative sum fell and no\n" +
			"start timestamp moved.",
		arg: "tunnels", steps: traffic.Steps(), modules: []string{"esp4_offload"},
	}.run(t)
}

// So they do with many associations.
func TestManyAssociations(t *testing.T) {
	onlyThorough(t)
	tunnelTest{
		title: "Many associations", text: "A guest that adds 10,000 associations, and adds and deletes others, while it is scraped twice a second.",
		arg: "many", steps: traffic.Many(), oneKernel: true,
	}.run(t)
}

// So they do whatever strongSwan does.
func TestStrongSwanTunnels(t *testing.T) {
	tunnelTest{
		title: "Tunnels of strongSwan",
		text: "Two charons in two network namespaces, IKEv2 and a shared secret, datagrams in both directions meanwhile. Inbound\n" +
			"values are compared with what arrived, outbound ones with what was sent.",
		arg: "strongswan-tunnels", steps: tunnel.StrongSwan(), modules: daemonModules,
		packages: strongSwanPackages, add: (*guest).strongSwan,
	}.run(t)
}

// And whatever libreswan does.
func TestLibreswanTunnels(t *testing.T) {
	onlyThorough(t)
	tunnelTest{
		title: "Tunnels of libreswan",
		text: "The same with two plutos. libreswan loses a few packets at a rekey: the side that answers sends with the new\n" +
			"association before the other side has it.",
		arg: "libreswan-tunnels", steps: tunnel.Libreswan(), modules: daemonModules,
		packages: libreswanPackages, add: (*guest).libreswan,
	}.run(t)
}

// And on a kernel that shows keys to nobody.
func TestTunnelsUnderLockdown(t *testing.T) {
	onlyThorough(t)
	tunnelTest{
		title: "Tunnels under lockdown",
		text:  "A kernel booted with `lockdown=confidentiality`, which shows keys to nobody.",
		arg:   "lockdown", steps: traffic.Lockdown(),
		modules: []string{"esp4_offload"}, parameters: "lockdown=confidentiality", oneKernel: true,
	}.run(t)
}

var daemonModules = []string{"esp6", "xfrm_interface", "ip_vti"}

// thorough says whether all tests of tunnels run, on all kernels. Otherwise they run
// on one kernel, and with one daemon.
func thorough() bool { return os.Getenv("ALL_KERNELS") != "" }

func onlyThorough(t *testing.T) {
	t.Helper()
	if !thorough() {
		t.Skip("make verification runs it, or make e2e-kernels with ALL_KERNELS=true")
	}
}

// tunnelTest runs steps in a guest.
type tunnelTest struct {
	// title and text are for docs/verification.md.
	title, text string
	// arg makes the guest run the steps.
	arg   string
	steps []traffic.Step
	// modules and parameters are the kernel's.
	modules    []string
	parameters string
	oneKernel  bool
	// packages are unpacked into a directory, of which add takes what it needs.
	packages []string
	add      func(*guest, string)
}

// run runs the steps on 6.12, or on 6.1, 6.12 and the newest.
func (tt tunnelTest) run(t *testing.T) {
	t.Helper()
	requireTools(t)
	cache := openCache(t)
	releases, err := cache.Releases("6.12", "6.1")
	require.NoError(t, err)
	if !thorough() || tt.oneKernel {
		releases = releases[:1]
	}
	slices.Sort(releases)
	var rows strings.Builder
	cells := map[string]string{}
	for _, release := range releases {
		t.Run(release, func(t *testing.T) {
			g := newGuest(t, cache, release)
			g.parameters = tt.parameters
			g.modules(tt.modules...)
			if tt.add != nil {
				tree, err := cache.Tree(tt.packages...)
				require.NoError(t, err)
				tt.add(g, tree)
			}
			done := g.bootTunnels(tt.arg, 12*time.Minute)
			for _, step := range tt.steps {
				cell := "**failed**"
				t.Run(step.Name, func(t *testing.T) { cell = requireTunnelStep(t, done[step.Name], step) })
				cells[step.Name] += " | " + cell
			}
		})
	}
	for _, step := range tt.steps {
		fmt.Fprintf(&rows, "| %s%s |\n", step.Name, cells[step.Name])
	}
	verification(t, os.O_APPEND, "\n### "+tt.title+"\n\n"+
		tt.text+"\n\n"+
		"| what was done | "+strings.Join(releases, " | ")+" |\n|---"+strings.Repeat("|---", len(releases))+"|\n"+rows.String())
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

// requireTunnelStep compares what the collectors said with what was done, and says
// how many values it compared.
func requireTunnelStep(t *testing.T, got *report.TunnelStep, step traffic.Step) string {
	t.Helper()
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
		if _, expected := expect[name]; strings.Contains(name, "tunnel.packet.dropped") && !expected {
			assert.Zero(t, rises(name), "rise of %s", name)
		}
	}
	for name, value := range step.After {
		require.Contains(t, got.After, name)
		assert.InDelta(t, value, got.After[name], 0, name)
	}
	for _, name := range step.Gone {
		assert.NotContains(t, got.After, name)
	}
	for name, rise := range step.Kernel {
		assert.Equal(t, rise, got.Kernel[name], "rise of %s", name)
	}
	assert.Contains(t, got.Log, step.Logs)
	if t.Failed() {
		t.Log(describe(got))
		return "**failed**"
	}
	if n := len(expect) + len(step.After) + len(step.Gone) + len(step.Kernel); n > 0 {
		return fmt.Sprint(n)
	}
	return "passed"
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
