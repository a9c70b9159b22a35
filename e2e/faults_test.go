// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const slow = 30 * time.Second

// eventually waits for something that takes a while on a slow machine.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, slow, 20*time.Millisecond, what)
}

// The OTLP endpoint is down for a while: cumulative values lose nothing.
func TestEndpointDown(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	block(here, thereAddress)
	sink := newOTLPSink(t, here)
	c := here.collector(toSink)
	here.send(thereAddress, 3)
	eventually(t, "3 drops", func() bool { return resource(t, sink.next(), "")["outbound/pol_block"] == 3 })

	sink.process.kill()
	here.send(thereAddress, 40)
	eventually(t, "an export fails", func() bool { return strings.Contains(c.output.String(), "Exporting failed") })
	before := c.resources()

	sink = newOTLPSink(t, here)
	here.send(thereAddress, 5)
	eventually(t, "48 drops", func() bool { return resource(t, sink.next(), "")["outbound/pol_block"] == 48 })
	assert.Equal(t, map[string]int64{"outbound/pol_block": 48}, nonZero(resource(t, sink.next(), "")))
	assert.LessOrEqual(t, c.resources().descriptors, before.descriptors+2)
	c.interrupt()
	verified("the OTLP endpoint is down and comes back", "3 + 40 (while it was down) + 5 drops arrive as 48",
		"`Exporting failed` of the exporter in the log, then the right values")
}

// SIGHUP reloads a changed configuration.
func TestReload(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	block(here, thereAddress)
	here.send(thereAddress, 6)
	sink := newOTLPSink(t, here)
	file := public(t, "config.yaml", toSink)
	c := run(t, here.command(program(t, "OTELCOL_XFRM"), "--config", file))
	require.Len(t, resource(t, sink.next(), ""), len(readStat(t)))
	before := c.resources()
	for range 5 {
		require.NoError(t, os.WriteFile(file, []byte(toSink+"    omit_zero: true\n"), 0o600))
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
		eventually(t, "the new setting", func() bool { return len(series(t, sink.next())) == 1 })
		require.NoError(t, os.WriteFile(file, []byte(toSink), 0o600))
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGHUP))
		eventually(t, "the old setting", func() bool { return len(series(t, sink.next())) == len(readStat(t)) })
	}
	assert.Equal(t, map[string]int64{"outbound/pol_block": 6}, nonZero(resource(t, sink.next(), "")))
	assert.LessOrEqual(t, c.resources().descriptors, before.descriptors+2, "descriptors after 10 reloads")
	c.interrupt()
	verified("SIGHUP with a changed configuration", "10 reloads, each in force at the next scrape; nothing leaks",
		"`Config updated, restart service` in the log")
}

// SIGTERM in the middle of a scrape of 2,000 namespaces.
func TestTerminatedInAScrape(t *testing.T) {
	requireRoot(t)
	const n = 2000
	dir := manyNamespaces(t, n)
	monitor := newNamespace(t)
	sink := newOTLPSink(t, monitor)
	config := toSink + fmt.Sprintf("    network_namespaces: { named: { include: [\"*\"], directories: [%s] } }\n", dir)
	// A scrape takes longer than this: it is always in the middle of one.
	config = strings.Replace(config, "collection_interval: 200ms", "collection_interval: 100ms", 1)
	// It says at debug when a scrape was ended.
	config = strings.Replace(config, "  telemetry:\n", "  telemetry:\n    logs:\n      level: debug\n", 1)
	require.Contains(t, config, "level: debug")
	config = strings.Replace(config, "endpoint: 127.0.0.1:4317", "endpoint: 127.0.0.1:4317\n    timeout: 10s\n    retry_on_failure: { enabled: false }\n    sending_queue: { enabled: false }", 1)
	var longest time.Duration
	runs, ended := 0, 0
	for tries := 0; ended < 3; tries++ {
		require.Less(t, tries, 40, "SIGTERM hardly ever falls into a scrape")
		c := run(t, monitor.command(program(t, "OTELCOL_XFRM"), "--config", writeFile(t, "config.yaml", config)))
		eventually(t, "a scrape", func() bool { return sinceStarted(sink, c) })
		// The next one begins soon, if it has not: it can also fall between two, or
		// into the sending of one.
		time.Sleep(time.Duration(runs%5) * 15 * time.Millisecond)
		begin := time.Now()
		require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
		<-c.done
		if strings.Contains(fmt.Sprint(c.err), "signal: terminated") {
			continue // it scrapes before it catches signals
		}
		require.NoError(t, c.err)
		longest = max(longest, time.Since(begin))
		assert.NotContains(t, c.output.String(), "\terror\t")
		runs++
		ended += strings.Count(c.output.String(), "Shutdown interrupted a scrape")
	}
	for _, md := range sink.scrapes() {
		require.Equal(t, (n+1)*len(readStat(t))+1, md.DataPointCount(), "an interrupted scrape emits nothing")
	}
	verified("SIGTERM in the middle of a scrape of 2,000 namespaces",
		fmt.Sprintf("%d of %d ended cleanly, the slowest in %d ms; %d of them ended a scrape that was under way, of which nothing was emitted",
			runs, runs, longest.Milliseconds(), ended),
		"a clean shutdown, exit status 0")
}

// sinceStarted reports whether something has arrived from this collector.
func sinceStarted(sink *otlpSink, c *process) bool {
	info, err := os.Stat(sink.file)
	return err == nil && info.ModTime().After(c.started) && info.Size() > 0
}

// SIGKILL and restart: start timestamps stay true.
func TestKilledAndRestarted(t *testing.T) {
	requireRoot(t)
	monitor := newNamespace(t)
	here, _ := pair(t)
	block(here, thereAddress)
	here.send(thereAddress, 4)
	here.sleep()
	monitor.sleep()
	sink := newOTLPSink(t, monitor)
	config := toSink + fmt.Sprintf("    network_namespaces: { processes: true, named: { include: [%s] } }\n", here.name)
	starts := func() map[string]time.Time {
		got := map[string]time.Time{}
		for _, rm := range sink.next().ResourceMetrics().All() {
			key := labels(rm.Resource().Attributes())
			if key != "" && !strings.Contains(key, "netns.name") {
				continue // of other programs on this machine
			}
			got[key] = rm.ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).StartTimestamp().AsTime()
		}
		return got
	}
	c := monitor.collector(config, "sys_admin")
	before := starts()
	require.Len(t, before, 2)
	c.kill()
	here.send(thereAddress, 2)
	monitor.collector(config, "sys_admin")
	after := starts()
	for key, start := range before {
		assert.Equal(t, start, after[key], key)
	}
	assert.Equal(t, int64(6), resource(t, sink.next(), "netns.name="+here.name+" ")["outbound/pol_block"])
	verified("SIGKILL and restart", "start timestamps of the main and a named namespace are the same, values go on",
		"a gap in the series, no reset")
}

// The limit of open descriptors is reached, and left again.
func TestDescriptorLimit(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	block(here, thereAddress)
	here.send(thereAddress, 8)
	here.sleep()
	sink := newOTLPSink(t, here)
	c := run(t, here.command(program(t, "OTELCOL_XFRM"), "--config",
		writeFile(t, "config.yaml", toSink+"    network_namespaces: { processes: true, named: { include: [\"*\"] } }\n")))
	require.Equal(t, int64(8), resource(t, sink.next(), "")["outbound/pol_block"])

	var limit unix.Rlimit
	require.NoError(t, unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit))
	require.NoError(t, unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}, nil))
	eventually(t, "it is said", func() bool { return strings.Contains(c.output.String(), "too many open files") })
	time.Sleep(time.Second) // of further failing scrapes
	require.NoError(t, unix.Prlimit(c.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil))
	eventually(t, "it is over", func() bool { return strings.Contains(c.output.String(), "works again") })
	here.send(thereAddress, 1)
	eventually(t, "9 drops", func() bool { return resource(t, sink.next(), "")["outbound/pol_block"] == 9 })
	c.interrupt()
	assert.Equal(t, 1, strings.Count(c.output.String(), "Reading from the kernel failed"), "an unchanged failure is said once")
	verified("the limit of open descriptors is reached (EMFILE) and left", "scrapes fail meanwhile, then all values are right",
		"one error `too many open files` with the path, and one info when it is over")
}

// What a mounted root can hold instead of the kernel's file.
func TestFakeRoot(t *testing.T) {
	requireRoot(t)
	fakes := map[string]struct {
		make func(path string) error
		says string
	}{
		"garbage": {
			func(path string) error {
				return os.WriteFile(path, []byte(strings.Repeat("\x00\xffgarbage \n", 5000)), 0o644)
			},
			"and 4995 more bad lines",
		},
		"endless": {func(path string) error { return os.Symlink("/endless", path) }, "more than 65536 bytes"},
		"a device": {
			func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) },
			"is a device, expected a regular file",
		},
		"a FIFO":         {func(path string) error { return unix.Mkfifo(path, 0o666) }, "is a FIFO, expected a regular file"},
		"a directory":    {func(path string) error { return os.Mkdir(path, 0o755) }, "is a directory, expected a regular file"},
		"a symlink loop": {func(path string) error { return os.Symlink("xfrm_stat", path) }, "too many levels of symbolic links"},
		"unreadable":     {func(path string) error { return os.WriteFile(path, nil, 0) }, "permission denied"},
	}
	for _, name := range slices.Sorted(maps.Keys(fakes)) {
		fake := fakes[name]
		t.Run(name, func(t *testing.T) {
			ns := newNamespace(t)
			root := filepath.Dir(public(t, "endless", strings.Repeat("XfrmInError 1\n", 1<<20)))
			for _, dir := range []string{"proc", "proc/1", "proc/1/net"} {
				require.NoError(t, os.Mkdir(filepath.Join(root, dir), 0o755))
			}
			path := filepath.Join(root, "proc/1/net/xfrm_stat")
			require.NoError(t, fake.make(path))
			c := ns.collector(toSink + "    root_path: " + root + "\n")
			eventually(t, "it is said", func() bool { return strings.Contains(c.output.String(), fake.says) })
			time.Sleep(time.Second) // of further scrapes
			assert.Equal(t, 1, strings.Count(c.output.String(), "Reading from the kernel failed"), "once")
			assert.Contains(t, c.output.String(), path)
			assert.Less(t, c.resident("VmHWM"), 128<<10, "memory stays bounded")
			assert.Less(t, c.interrupt(), 5*time.Second)
			verified("`xfrm_stat` is "+name, "no points, nothing hangs", "one error with the path and `"+fake.says+"`")
		})
	}
}

// hidepid=2 below a root path: the start fails and says why.
func TestHidepidBelowRootPath(t *testing.T) {
	requireRoot(t)
	ns := newNamespace(t)
	config := public(t, "config.yaml", toSink+"    root_path: /\n")
	args := append(unprivileged(), publicProgram(t), "--config", config)
	script := "mount -t proc -o hidepid=2 proc /proc && exec " + strings.Join(args, " ")
	c := run(t, ns.command("unshare", "--mount", "sh", "-c", script))
	<-c.done
	require.Error(t, c.err)
	assert.Contains(t, c.output.String(), "/proc/1 does not exist although proc is mounted")
	assert.Contains(t, c.output.String(), "hidepid=2")
	verified("proc is mounted with hidepid=2", "with `root_path` the start fails; with `processes` what can be seen arrives",
		"an error that names hidepid")
}

// A kernel without the statistics has a proc without the file. Here a mount
// namespace hides it, until the test takes the mount away.
func TestWithoutStatistics(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	block(here, thereAddress)
	here.send(thereAddress, 2)
	sink := newOTLPSink(t, here)
	config := public(t, "config.yaml", toSink)
	script := fmt.Sprintf("mount -t tmpfs hidden /proc/$$/net && exec %s --config %s", program(t, "OTELCOL_XFRM"), config)
	c := run(t, here.command("unshare", "--mount", "--propagation=private", "sh", "-c", script))
	eventually(t, "the warning", func() bool { return strings.Contains(c.output.String(), "CONFIG_XFRM_STATISTICS") })
	time.Sleep(time.Second) // of further scrapes
	assert.Equal(t, 1, strings.Count(c.output.String(), "CONFIG_XFRM_STATISTICS"), "once")
	for _, md := range sink.scrapes() {
		for _, dp := range points(md, "") {
			require.Zero(t, dp.IntValue(), "nothing but the heartbeat, which is 0")
		}
	}

	pid := c.cmd.Process.Pid
	out, err := exec.Command("nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", pid), "umount", fmt.Sprintf("/proc/%d/net", pid)).CombinedOutput()
	require.NoError(t, err, "%s", out)
	eventually(t, "it has appeared", func() bool { return strings.Contains(c.output.String(), "are now available") })
	assert.Equal(t, map[string]int64{"outbound/pol_block": 2}, nonZero(resource(t, sink.next(), "")))
	c.interrupt()
	assert.NotContains(t, c.output.String(), "\terror\t")
	verified("the kernel has no statistics (a mount namespace hides the file)",
		"no points but the heartbeat, no errors; points from the scrape after the file appears",
		"one warning that names CONFIG_XFRM_STATISTICS, one info when the file appears")
}

// Namespaces are created and deleted all the time.
func TestChurn(t *testing.T) {
	requireRoot(t)
	duration := 2 * time.Minute
	if testing.Short() {
		duration = 10 * time.Second
	}
	dir := filepath.Dir(public(t, "unused", ""))
	// It drops too, so that every scrape has points.
	monitor, _ := pair(t)
	block(monitor, thereAddress)
	monitor.send(thereAddress, 4)
	stays, _ := pair(t)
	block(stays, thereAddress)
	stays.send(thereAddress, 9)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stays"), nil, 0o600))
	require.NoError(t, unix.Mount("/run/netns/"+stays.name, filepath.Join(dir, "stays"), "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unmount(filepath.Join(dir, "stays")) })
	sink := newOTLPSink(t, monitor)
	config := toSink + fmt.Sprintf("    network_namespaces: { processes: true, named: { include: [\"*\"], directories: [%s] } }\n    omit_zero: true\n", dir)
	config = strings.Replace(config, "collection_interval: 200ms", "collection_interval: 100ms", 1)
	c := run(t, monitor.command(program(t, "OTELCOL_XFRM"), "--config", writeFile(t, "config.yaml", config)))
	sink.next()
	before := c.resources()

	made, processes := churn(t, dir, duration)
	scrapes := sink.scrapes()
	assert.Greater(t, len(scrapes), made/50, "it is being scraped meanwhile")
	for _, md := range scrapes {
		require.Equal(t, map[string]int64{"outbound/pol_block": 4}, resource(t, md, ""), "the main namespace is never lost")
		require.Equal(t, map[string]int64{"outbound/pol_block": 9}, resource(t, md, "netns.name=stays "), "nor is the one that stays")
	}
	eventually(t, "descriptors", func() bool { return c.resources().descriptors <= before.descriptors+1 })
	after := c.resources()
	assert.LessOrEqual(t, after.threads, before.threads+8, "the runtime's own included")
	assert.NotContains(t, c.output.String(), "\terror\t")
	homes, err := exec.Command("sh", "-c", fmt.Sprintf("readlink /proc/%d/task/*/ns/net | sort -u | wc -l", c.cmd.Process.Pid)).Output()
	require.NoError(t, err)
	assert.Equal(t, "1", strings.TrimSpace(string(homes)), "a thread is in another namespace")
	c.interrupt()
	verified("namespaces are created and deleted all the time, also while they are read",
		fmt.Sprintf("%d named namespaces and %d of short-lived processes in %s (%.0f a second) under %d scrapes; the main one and a named one that stays had their exact values in every scrape; descriptors %d before, %d after; threads %d, %d",
			made, processes, duration, float64(made+processes)/duration.Seconds(), len(scrapes), before.descriptors, after.descriptors, before.threads, after.threads),
		"nothing")
}

// churn makes 200 named namespaces a second, each of which lives for a quarter of
// one, and 50 of processes that live for a tenth. It returns how many of each.
func churn(t *testing.T, dir string, duration time.Duration) (named, processes int) {
	t.Helper()
	const rate, living, perProcess = 200, 50, 4
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	var children sync.WaitGroup
	defer children.Wait()
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("churn-%06d", i)) }
	require.NoError(t, onOwnThread(func() error {
		for end := time.Now().Add(duration); time.Now().Before(end); named++ {
			<-ticker.C
			if err := mountNew(name(named)); err != nil {
				return err
			}
			if named >= living {
				if err := unmount(name(named - living)); err != nil {
					return err
				}
			}
			if named%perProcess != 0 {
				continue
			}
			child := exec.Command("sleep", "0.1")
			child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
			if err := child.Start(); err != nil {
				return err
			}
			processes++
			children.Go(func() { _ = child.Wait() })
		}
		for i := max(0, named-living); i < named; i++ {
			if err := unmount(name(i)); err != nil {
				return err
			}
		}
		return nil
	}))
	return named, processes
}

// 1,000 namespaces with OTLP and omit_zero within 64 MiB.
func TestMemory(t *testing.T) {
	requireRoot(t)
	const n, limit = 1000, 64 << 10
	dir := manyNamespaces(t, n)
	monitor := newNamespace(t)
	sink := newOTLPSink(t, monitor)
	namespaces := fmt.Sprintf("    network_namespaces: { named: { include: [\"*\"], directories: [%s] } }\n", dir)
	measure := func(config string) int {
		c := run(t, monitor.command(program(t, "OTELCOL_XFRM"), "--config", writeFile(t, "config.yaml", config)))
		time.Sleep(10 * time.Second) // 50 scrapes
		most := c.resident("VmHWM")
		c.interrupt()
		require.NotContains(t, c.output.String(), "\terror\t")
		return most
	}
	omitted := measure(toSink + namespaces + "    omit_zero: true\n")
	assert.Less(t, omitted, limit, "KiB")
	for _, md := range sink.scrapes() {
		require.Equal(t, 1, md.DataPointCount(), "the heartbeat only: all are zero")
	}
	whole := measure(toSink + namespaces)
	exported := measure(strings.NewReplacer("otlp_grpc:", "prometheus:", "127.0.0.1:4317", "127.0.0.1:9464",
		"    tls:\n      insecure: true\n", "    resource_constant_labels: { included: [netns.name] }\n", "[otlp_grpc]", "[prometheus]").
		Replace(toSink + namespaces))
	verified("1,000 namespaces, a scrape every 200 ms",
		fmt.Sprintf("at most %d MiB resident with OTLP and omit_zero; without omit_zero %d MiB; with the Prometheus exporter %d MiB",
			omitted>>10, whole>>10, exported>>10), "nothing")
	t.Logf("resident: omit_zero %d KiB, whole %d KiB, Prometheus exporter %d KiB", omitted, whole, exported)
}
