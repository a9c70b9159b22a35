// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each overlay, applied as it is: kubectl does not warn, Pod Security lets its pod in
// and would not at another level, the probes pass, and the process has the user and the
// capabilities that docs/kubernetes.md says.
func TestOverlays(t *testing.T) {
	requireCluster(t)
	const netAdmin, sysPtrace, sysAdmin, auditRead = 1 << 12, 1 << 19, 1 << 21, 1 << 37
	for _, overlay := range []struct {
		name         string
		capabilities uint64
		hostNetwork  bool
		// baseline is what the level baseline does not allow.
		baseline string
		// complains are warnings and errors of the collector.
		complains []string
	}{
		{name: "host", baseline: "hostPath volumes"},
		{name: "processes", baseline: "hostPath volumes"},
		{name: "named", capabilities: sysAdmin, baseline: "non-default capabilities, hostPath volumes"},
		{name: "tunnels", capabilities: netAdmin, hostNetwork: true, baseline: "non-default capabilities, host namespaces, hostPort"},
		{name: "tunnels-pods", capabilities: netAdmin | sysPtrace | sysAdmin, baseline: "forbidden AppArmor profile, non-default capabilities, hostPath volumes"},
		{
			name: "causes", capabilities: netAdmin | auditRead, hostNetwork: true, baseline: "non-default capabilities, host namespaces, hostPort",
			complains: []string{"the kernel delivers audit records in the initial network namespace only"},
		},
	} {
		t.Run(overlay.name, func(t *testing.T) {
			folder := filepath.Join("..", "..", "distribution", "kubernetes", "overlays", overlay.name)
			t.Cleanup(func() { kubectlWarns(t, "", "delete", "--ignore-not-found", "-k", folder) })
			kubectl(t, "apply", "-k", folder)
			rolledOut(t)
			pod := collector(t)

			assert.Equal(t, overlay.hostNetwork, pod.Status.PodIP == pod.Status.HostIP)
			status := pod.Status.ContainerStatuses[0]
			assert.True(t, *status.Started, "the startup probe passed")
			assert.Zero(t, status.RestartCount)
			health, err := http.Get(fmt.Sprintf("http://%s:13133/", pod.Status.PodIP))
			require.NoError(t, err)
			require.NoError(t, health.Body.Close())
			assert.Equal(t, http.StatusOK, health.StatusCode)

			uid := 65534
			if overlay.capabilities != 0 {
				uid = 0
			}
			hasRights(t, pidOf(t, pod), uid, overlay.capabilities)
			for _, volume := range pod.Spec.Volumes {
				assert.Nil(t, volume.Projected, "no token")
			}
			assert.Equal(t, overlay.baseline, refusedAt(t, "baseline"))

			var found []string
			for _, line := range complaints(logs(t)) {
				found = append(found, regexp.MustCompile(`the kernel delivers [^";]*only`).FindString(line))
			}
			assert.Equal(t, overlay.complains, found)

			kubectl(t, "delete", "-k", folder)
			assert.Empty(t, processes(t, string(pod.UID)), "nothing is left")
			verified("overlay `"+overlay.name+"` applied and deleted",
				"no warning of kubectl; ready; uid %d, capabilities %#x, `NoNewPrivs`, seccomp filter, read-only root; level `baseline` would refuse: %s",
				uid, overlay.capabilities, overlay.baseline)
		})
	}
}

// hasRights checks what the kernel says of the process of a container.
func hasRights(t *testing.T, pid, uid int, capabilities uint64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	group := 65534
	if uid == 0 {
		group = 0
	}
	for _, line := range []string{
		fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", uid), fmt.Sprintf("Gid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d", group),
		fmt.Sprintf("CapPrm:\t%016x", capabilities), fmt.Sprintf("CapEff:\t%016x", capabilities), fmt.Sprintf("CapBnd:\t%016x", capabilities),
		"CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		assert.Contains(t, string(status), "\n"+line+"\n")
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		switch fields := strings.Fields(line); fields[4] { // proc_pid_mountinfo(5)
		case "/":
			assert.Regexp(t, `^ro,`, fields[5], "a read-only root file system")
		case "/hostfs":
			assert.Regexp(t, `^ro,`, fields[5], "the node's is read-only")
			assert.Regexp(t, `^master:`, fields[6], "later mounts of the node are seen")
		}
	}
}

// refusedAt is why the pods of the namespace would be refused at another level of Pod
// Security.
func refusedAt(t *testing.T, level string) string {
	t.Helper()
	_, warnings := kubectlWarns(t, "", "label", "--dry-run=server", "--overwrite", "namespace", "xfrm", "pod-security.kubernetes.io/enforce="+level)
	found := regexp.MustCompile(`Warning: otelcol-xfrm-\S+: (.*)\n`).FindStringSubmatch(warnings)
	require.NotNil(t, found, "%s", warnings)
	return found[1]
}
