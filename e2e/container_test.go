// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A collector in a container of its own, as unshare makes it (new mount, PID and
// network namespaces), as nobody and without capabilities, shows what the host
// counts, and not what its own namespace does.
//
// The host is one too: a PID namespace whose PID 1 lives in a network namespace
// that drops packets, so that the test touches nothing of this machine's.
func TestHostFromAContainer(t *testing.T) {
	requireRoot(t)
	hostNS, _ := pair(t)
	block(hostNS, thereAddress)
	hostNS.send(thereAddress, 11)
	podNS, _ := pair(t)
	block(podNS, thereAddress)
	podNS.send(thereAddress, 13)
	ownNS, _ := pair(t)
	block(ownNS, thereAddress)
	ownNS.send(thereAddress, 17)

	// The container's root file system: nothing but the collector and its
	// configuration, /hostfs, and a place for the output.
	dir, err := os.MkdirTemp("", "xfrm-e2e-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	for _, sub := range []string{"hostfs", "proc", "out"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o755))
	}
	require.NoError(t, os.Chown(filepath.Join(dir, "out"), 65534, 65534))
	content, err := os.ReadFile(program(t, "OTELCOL_XFRM"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "otelcol-xfrm"), content, 0o755))
	config := `
receivers:
  xfrm:
    collection_interval: 200ms
    initial_delay: 0s
    root_path: /hostfs
    network_namespaces:
      processes: true
exporters:
  file:
    path: /out/otlp.json
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [xfrm]
      exporters: [file]
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o644))

	container := fmt.Sprintf(`set -e
		mount --rbind --make-rslave / %[1]s/hostfs
		mount -t proc proc %[1]s/proc
		exec chroot --userspec=65534:65534 --groups= %[1]s /otelcol-xfrm --config /config.yaml`, dir)
	host := fmt.Sprintf(`set -e
		mount -t proc proc /proc
		nsenter --net=/run/netns/%[1]s sleep 600 &
		nsenter --net=/run/netns/%[2]s unshare --mount --pid --fork sh -c '%[3]s' &
		wait`, podNS.name, ownNS.name, container)
	cmd := exec.Command("nsenter", "--net=/run/netns/"+hostNS.name,
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", host)
	run(t, cmd)

	sink := &otlpSink{t: t, file: filepath.Join(dir, "out", "otlp.json")}
	sink.next()
	got := sink.next()
	assert.Equal(t, map[string]int64{"outbound/pol_block": 11}, nonZero(resource(t, got, "")), "the host's, not its own")
	var others []int64
	for key, value := range nonZero(series(t, got)) {
		if strings.HasPrefix(key, "process.pid=") {
			require.True(t, strings.HasSuffix(key, " outbound/pol_block"), key)
			others = append(others, value)
		}
	}
	assert.ElementsMatch(t, []int64{13, 17}, others, "the pod's, and the container's own as one of many")
	status := statusOf(t, "/otelcol-xfrm\x00--config\x00/config.yaml\x00")
	assert.Contains(t, status, "\nUid:\t65534\t65534\t65534\t65534\n")
	assert.Contains(t, status, "\nCapEff:\t0000000000000000\n")
}

// statusOf returns /proc/PID/status of the one process with this command line.
func statusOf(t *testing.T, cmdline string) string {
	t.Helper()
	var found []string
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil && string(content) == cmdline {
			found = append(found, filepath.Dir(file))
		}
	}
	require.Len(t, found, 1)
	content, err := os.ReadFile(filepath.Join(found[0], "status"))
	require.NoError(t, err)
	return string(content)
}
