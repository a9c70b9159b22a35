// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bootSystemd makes a container of this machine's own files, in which nothing but
// the unit is installed, and boots systemd as its PID 1. What is done inside is
// thrown away.
const bootSystemd = `set -e
scratch=$1; units=$2; etc=$3; root=$scratch/root
echo 0 >"$4/cgroup.procs"
mount -t tmpfs tmpfs "$scratch"
mkdir "$root" "$scratch/upper" "$scratch/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind --make-rslave /dev "$root/dev"
for folder in run tmp; do mount -t tmpfs tmpfs "$root/$folder"; done
mkdir "$root/run/netns"
mount --rbind /run/netns "$root/run/netns"
mount --bind "$units/usr/lib/systemd/system" "$root/usr/lib/systemd/system"
rm -rf "$root/etc/systemd/system" "$root/etc/otelcol-xfrm"
cp -r "$units/etc/systemd/system" "$root/etc/systemd/system"
# There is no journal.
mkdir -p "$root/etc/systemd/system/otelcol-xfrm.service.d"
printf '[Service]\nStandardOutput=append:/run/otelcol-xfrm.log\nStandardError=append:/run/otelcol-xfrm.log\n' >"$root/etc/systemd/system/otelcol-xfrm.service.d/log.conf"
cp -a "$etc" "$root/etc/otelcol-xfrm"
echo otelcol-xfrm-tls:x:61234: >>"$root/etc/group"
install -m 755 "$OTELCOL_XFRM" "$root/usr/bin/otelcol-xfrm"
mkdir -p "$root/usr/share/otelcol-xfrm"
cp -r ../distribution/config "$root/usr/share/otelcol-xfrm"
mkdir "$root/host"
# As a container manager does: a root of its own, and mounts that propagate, without which
# no credential reaches a service.
container=other exec unshare --cgroup sh -c 'mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup" && cd "$0" &&
	pivot_root . host && umount --lazy /host && mount --make-rshared / && exec chroot . /lib/systemd/systemd --unit=otelcol-xfrm.service' "$root"
`

// tlsGroup is the ID of the group otelcol-xfrm-tls in that container.
const tlsGroup = 61234

// service is the unit, started by a systemd of its own.
type service struct {
	*process
	pid string
}

// newService starts the unit with the drop-ins in the namespace. etc are the files
// of /etc/otelcol-xfrm.
func newService(t *testing.T, ns *namespace, etc map[string]string, dropIns ...string) *service {
	t.Helper()
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		skip(t, "needs systemd, the program (apt-get install systemd)")
	}
	folder := t.TempDir()
	for name, content := range etc {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o755))
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".key") {
			mode = 0o600
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), mode))
	}
	if slices.Contains(dropIns, "to-gateway-group.conf") {
		key := filepath.Join(folder, "tls/host.key")
		require.NoError(t, os.Chown(key, 0, tlsGroup))
		require.NoError(t, os.Chmod(key, 0o640))
	}
	collector, err := filepath.Abs(program(t, "OTELCOL_XFRM"))
	require.NoError(t, err)
	cmd := ns.command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts",
		"sh", "-c", bootSystemd, "sh", t.TempDir(), systemdRoot(t, dropIns...), folder, newCgroup(t, ns.name))
	cmd.Env = append(os.Environ(), "OTELCOL_XFRM="+collector)
	netns, err := os.Stat("/run/netns/" + ns.name)
	require.NoError(t, err)
	s := &service{process: run(t, cmd)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", s.systemctl("show", "otelcol-xfrm", "--property=Result,ExecMainStatus"), s.log())
		}
	})
	eventually(t, "the service starts", func() bool {
		cmdlines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		require.NoError(t, err)
		for _, file := range cmdlines {
			content, _ := os.ReadFile(file)
			own, err := os.Stat(filepath.Join(filepath.Dir(file), "ns/net"))
			if err == nil && os.SameFile(netns, own) && strings.HasPrefix(string(content), "/usr/bin/otelcol-xfrm\x00--config\x00/etc/otelcol-xfrm/config.yaml\x00") {
				s.pid = filepath.Base(filepath.Dir(file))
			}
		}
		return s.pid != ""
	})
	return s
}

// init is the PID of the service's systemd, the only child of unshare.
func (s *service) init() string {
	s.t.Helper()
	unshare := s.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", unshare, unshare))
	require.NoError(s.t, err)
	return strings.TrimSpace(string(children))
}

// systemctl asks the service's systemd.
func (s *service) systemctl(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("nsenter", append([]string{
		"--target", s.init(), "--mount", "--pid", "--root", "--wdns=/", "systemctl",
	}, args...)...).CombinedOutput()
	require.NoError(s.t, err, "systemctl %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// log is what the collector has logged.
func (s *service) log() string {
	s.t.Helper()
	log, err := os.ReadFile(filepath.Join("/proc", s.init(), "root/run/otelcol-xfrm.log"))
	require.NoError(s.t, err)
	return string(log)
}

// status is a field of the collector's /proc/PID/status.
func (s *service) status(field string) string {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join("/proc", s.pid, "status"))
	require.NoError(s.t, err)
	m := regexp.MustCompile(`(?m)^` + field + `:\s+(\S+)`).FindStringSubmatch(string(content))
	require.NotNil(s.t, m, field)
	return m[1]
}

// exists says whether the service sees a file.
func (s *service) exists(file string) bool {
	_, err := os.Stat(filepath.Join("/proc", s.pid, "root", file))
	return err == nil
}

func readShipped(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(shipped(name))
	require.NoError(t, err)
	return string(content)
}

// The units, run by a real systemd with all of their sandbox: the service counts,
// is reloaded, and has no right but those that it is meant to have.
func TestService(t *testing.T) {
	requireRoot(t)
	const own = "outbound/pol_block"
	sandboxed := func(t *testing.T, s *service, capabilities string) {
		t.Helper()
		assert.NotEqual(t, "0", s.status("Uid"), "a dynamic user")
		assert.Equal(t, capabilities, s.status("CapEff"))
		assert.Equal(t, capabilities, s.status("CapBnd"))
		assert.Equal(t, "1", s.status("NoNewPrivs"))
		assert.Equal(t, "2", s.status("Seccomp"), "a filter of system calls")
		assert.Equal(t, "active", s.systemctl("is-active", "otelcol-xfrm"))
	}

	t.Run("as it is shipped", func(t *testing.T) {
		here, _ := pair(t)
		block(here, thereAddress)
		here.send(thereAddress, 7)
		s := newService(t, here, map[string]string{"config.yaml": readShipped(t, "host.yaml")})
		assert.Equal(t, int64(7), here.scrape(s.process, "netns_name")[own])
		sandboxed(t, s, "0000000000000000")
		here.send(thereAddress, 1)
		s.systemctl("reload", "otelcol-xfrm")
		// Without the reload it would be read 30 seconds later.
		eventually(t, "it counts on", func() bool { return here.scrape(s.process, "netns_name")[own] == 8 })
		assert.Equal(t, "0", s.systemctl("show", "--value", "--property=NRestarts", "otelcol-xfrm"))
	})

	t.Run("named namespaces", func(t *testing.T) {
		here, _ := pair(t)
		site, _ := pair(t)
		block(site, thereAddress)
		site.send(thereAddress, 9)
		s := newService(t, here, map[string]string{"config.yaml": readShipped(t, "gateway.yaml")}, "named-namespaces.conf")
		assert.Equal(t, int64(9), here.scrape(s.process, "netns_name")["netns_name="+site.name+" "+own])
		sandboxed(t, s, "0000000000200000") // CAP_SYS_ADMIN
	})

	// Each drop-in adds its own, whichever comes first.
	for name, dropIns := range map[string][]string{
		"tunnels and named namespaces": {"tunnels.conf", "named-namespaces.conf"},
		"named namespaces and tunnels": {"named-namespaces.conf", "tunnels.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			here, site := newNamespace(t), newNamespace(t)
			addPolicies(here, 1, 2, 3)
			addPolicies(site, 4, 5, 6)
			s := newService(t, here, map[string]string{"config.yaml": readShipped(t, "gateway.yaml")}, dropIns...)
			got := parsePolicies(t, here.serves(s.process, policyCount), "netns_name")
			hasPolicies(t, got, "", 1, 2, 3)
			hasPolicies(t, got, "netns_name="+site.name+" ", 4, 5, 6)
			sandboxed(t, s, "0000000000201000") // CAP_SYS_ADMIN, CAP_NET_ADMIN
		})
	}

	t.Run("tunnels", func(t *testing.T) {
		here := newNamespace(t)
		addPolicies(here, 1, 2, 3)
		s := newService(t, here, map[string]string{"config.yaml": readShipped(t, "host.yaml")}, "tunnels.conf")
		hasPolicies(t, parsePolicies(t, here.serves(s.process, policyCount)), "", 1, 2, 3)
		sandboxed(t, s, "0000000000001000") // CAP_NET_ADMIN
	})

	t.Run("tunnels of processes", func(t *testing.T) {
		here, site := newNamespace(t), newNamespace(t)
		addPolicies(site, 4, 5, 6)
		s := newService(t, here, map[string]string{"config.yaml": readShipped(t, "processes.yaml")},
			"tunnels.conf", "tunnels-processes.conf")
		hasPolicies(t, parsePolicies(t, here.serves(s.process, policyCount)), "", 0, 0, 0)
		// It ends with the service's systemd.
		run(t, exec.Command("sh", "-c", fmt.Sprintf("exec nsenter --target %s --pid --net=/run/netns/%s sleep 600 >/dev/null 2>&1", s.init(), site.name)))
		s.systemctl("reload", "otelcol-xfrm")
		var got map[string]int64
		eventually(t, "the process is found", func() bool {
			got = parsePolicies(t, here.serves(s.process, policyCount), "systemd_unit_name", "process_pid")
			return len(got) == 12
		})
		for key := range got {
			if namespace, _, ok := strings.Cut(key, " "); ok {
				hasPolicies(t, got, namespace+" ", 4, 5, 6)
			}
		}
		sandboxed(t, s, "0000000000281000") // CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN
		assert.NotContains(t, s.log(), "\terror\t")
	})

	for name, dropIns := range map[string][]string{
		"causes":             {"causes.conf"},
		"tunnels and causes": {"tunnels.conf", "causes.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			here := newNamespace(t)
			sink := newLogSink(t, here)
			const overlays = "/usr/share/otelcol-xfrm/config/"
			s := newService(t, here, map[string]string{
				"config.yaml": strings.Replace(readShipped(t, "host.yaml"), "  xfrm:\n", "  xfrm:\n    events: { xfrm.policy.changed: { enabled: true } }\n", 1),
				"environment": "CAUSES=\"--config " + overlays + "causes.yaml --config " + overlays + "to-logs-otlp.yaml\"\n" +
					"LOGS_URL=http://127.0.0.1:4318/v1/logs\n",
			}, dropIns...)
			eventually(t, "the service is ready", func() bool { return strings.Contains(s.log(), "Everything is ready") })
			addPolicies(here, 1, 0, 0)
			eventually(t, "a record is printed", func() bool { return strings.Contains(s.log(), "\nthe inbound policy for ") })
			eventually(t, "a record is sent", func() bool { return len(sink.logRecords()) == 1 })
			if len(dropIns) > 1 {
				s.systemctl("reload", "otelcol-xfrm")
				hasPolicies(t, parsePolicies(t, here.serves(s.process, policyCount)), "", 1, 0, 0)
			}
			sandboxed(t, s, "0000002000001000") // CAP_AUDIT_READ, CAP_NET_ADMIN
			// The kernel delivers audit records in the initial network namespace only.
			assert.Equal(t, strings.Count(s.log(), notInitial), strings.Count(s.log(), "\terror\t"))
			assert.Contains(t, s.log(), notInitial)
		})
	}

	toGateway := func(t *testing.T, capabilities string, dropIns ...string) *service {
		t.Helper()
		here, _ := pair(t)
		etc := map[string]string{"config.yaml": readShipped(t, "host.yaml"), "environment": "GATEWAY=" + thereAddress + ":4317\n"}
		for _, variable := range newAuthority(t).issue(hereAddress) {
			name, file, _ := strings.Cut(variable, "=")
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			etc[map[string]string{"TLS_CA": "tls/ca.crt", "TLS_CERT": "tls/host.crt", "TLS_KEY": "tls/host.key"}[name]] = string(content)
		}
		s := newService(t, here, etc, dropIns...)
		eventually(t, "the queue is on the disk", func() bool { return s.exists("/var/lib/otelcol-xfrm/exporter_otlp_grpc__metrics") })
		sandboxed(t, s, capabilities)
		return s
	}

	t.Run("to a gateway", func(t *testing.T) {
		s := toGateway(t, "0000000000000000", "to-gateway.conf")
		assert.True(t, s.exists("/run/credentials/otelcol-xfrm.service/host.key"))
	})

	t.Run("to a gateway without credentials", func(t *testing.T) {
		s := toGateway(t, "0000000000000000", "to-gateway-group.conf")
		assert.False(t, s.exists("/run/credentials/otelcol-xfrm.service"))
	})

	t.Run("tunnels to a gateway", func(t *testing.T) {
		s := toGateway(t, "0000000000001000", "to-gateway.conf", "tunnels.conf")
		cmdline, err := os.ReadFile(filepath.Join("/proc", s.pid, "cmdline"))
		require.NoError(t, err)
		assert.Equal(t, []string{
			"/usr/bin/otelcol-xfrm", "--config", "/etc/otelcol-xfrm/config.yaml",
			"--config", "/usr/share/otelcol-xfrm/config/to-gateway.yaml",
			"--config", "/usr/share/otelcol-xfrm/config/tunnels.yaml",
		}, strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00"))
	})
}
