// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// ready waits until all receivers of a collector have started.
func (p *process) ready() {
	p.t.Helper()
	eventually(p.t, "the collector starts", func() bool { return strings.Contains(p.output.String(), "Everything is ready") })
}

// isInitial reports whether this process is in the initial network namespace, the only one
// with this file.
func isInitial() bool {
	_, err := os.Stat("/proc/sys/net/core/netdev_max_backlog")
	return err == nil
}

const (
	withPolicies    = "yaml:receivers::xfrm::events::xfrm.policy.changed::enabled: true"
	notInitial      = "the kernel delivers audit records in the initial network namespace only"
	mayNotReadAudit = "requires the capability CAP_AUDIT_READ"
	mayNotReadXfrm  = "requires the capability CAP_NET_ADMIN"
	isOff           = "audit is off"
)

// The overlay prints records with just the capabilities that docs/causes.md names. Without
// one of them that is said once, and the counters are served.
func TestCausesOverlay(t *testing.T) {
	requireRoot(t)
	const block = "the outbound policy for packets from 192.0.2.0/24 to 203.0.113.1/32 was created (block) " +
		"xfrm.policy.change=created source.address=192.0.2.0/24 destination.address=203.0.113.1/32 direction=outbound xfrm.policy.action=block"
	for name, test := range map[string]struct {
		capabilities []string
		prints       bool
		errors       []string
	}{
		"with both":             {[]string{"net_admin", "audit_read"}, true, []string{notInitial}},
		"with CAP_NET_ADMIN":    {[]string{"net_admin"}, true, []string{notInitial}},
		"without any":           {nil, false, []string{mayNotReadXfrm, notInitial}},
		"without CAP_NET_ADMIN": {[]string{"audit_read"}, false, []string{mayNotReadXfrm, notInitial}},
	} {
		t.Run(name, func(t *testing.T) {
			here := newNamespace(t)
			args := append(unprivileged(test.capabilities...), publicProgram(t))
			for _, file := range []string{"host.yaml", "causes.yaml"} {
				args = append(args, "--config", public(t, file, readShipped(t, file)))
			}
			c := run(t, here.command(append(args, "--config", withPolicies)...))
			c.ready()
			here.ip("xfrm", "policy", "add", "src", "192.0.2.0/24", "dst", "203.0.113.1", "dir", "out", "action", "block")
			if test.prints {
				eventually(t, "the record is printed", func() bool { return strings.Contains(c.output.String(), block+"\n") })
			}
			assert.Len(t, here.scrape(c), len(readStat(t)), "the counters")
			c.interrupt()
			assert.Equal(t, test.prints, strings.Contains(c.output.String(), block))
			assert.Equal(t, len(test.errors), strings.Count(c.output.String(), "\terror\t"))
			for _, text := range test.errors {
				assert.Equal(t, 1, strings.Count(c.output.String(), text), text)
			}
		})
	}
}

// In the initial network namespace CAP_AUDIT_READ is enough to receive audit records, and
// nothing else is.
func TestCausesOfAudit(t *testing.T) {
	requireRoot(t)
	if !isInitial() {
		skip(t, "needs the initial network namespace, where the kernel delivers audit records")
	}
	const drops = "yaml:{receivers: {xfrm: {events: {xfrm.acquire: {enabled: false}, xfrm.sa.expired: {enabled: false}, xfrm.sa.deleted: {enabled: false}}}}, " +
		"service: {telemetry: {metrics: {level: none}}}}"
	for name, test := range map[string]struct {
		capabilities []string
		refused      bool
	}{
		"with CAP_AUDIT_READ":                          {[]string{"audit_read"}, false},
		"with CAP_AUDIT_CONTROL":                       {[]string{"audit_control"}, true},
		"with CAP_NET_ADMIN":                           {[]string{"net_admin"}, true},
		"with CAP_AUDIT_READ in a user namespace only": {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			args := append(unprivileged(test.capabilities...), publicProgram(t))
			if test.capabilities == nil {
				args = append([]string{"unshare", "--user", "--map-root-user"}, publicProgram(t))
			}
			args = append(args, "--config", public(t, "causes.yaml", readShipped(t, "causes.yaml")), "--config", drops)
			c := run(t, exec.Command(args[0], args[1:]...))
			c.ready()
			// Not interrupted: the collector says that it is ready before it catches signals.
			c.kill()
			output := c.output.String()
			if test.refused {
				assert.Equal(t, 1, strings.Count(output, mayNotReadAudit))
				assert.NotContains(t, output, isOff)
			} else {
				assert.NotContains(t, output, "\terror\t")
			}
		})
	}
}

const logSinkConfig = `
receivers:
  otlp:
    protocols:
      http:
        endpoint: 127.0.0.1:4318
exporters:
  file:
    path: ${env:SINK_FILE}
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    logs:
      receivers: [otlp]
      exporters: [file]
`

// newLogSink starts an independent receiver of OTLP over HTTP on 127.0.0.1:4318 of the
// namespace, which writes the log records that it gets into a file.
func newLogSink(t *testing.T, ns *namespace) *otlpSink {
	t.Helper()
	sink := &otlpSink{t: t, file: filepath.Join(t.TempDir(), "otlp.json")}
	cmd := ns.command(program(t, "OTELCOL_XFRM"), "--config", writeFile(t, "sink.yaml", logSinkConfig))
	cmd.Env = append(os.Environ(), "SINK_FILE="+sink.file)
	sink.process = run(t, cmd)
	eventually(t, "the sink starts", func() bool {
		return ns.do(func() error {
			conn, err := net.Dial("tcp", "127.0.0.1:4318")
			if err == nil {
				_ = conn.Close()
			}
			return err
		}) == nil
	})
	return sink
}

// logRecord is one that arrived.
type logRecord struct {
	plog.LogRecord
	resource pcommon.Map
	scope    string
}

func (s *otlpSink) logRecords() (all []logRecord) {
	s.t.Helper()
	content, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	require.NoError(s.t, err)
	for line := range bytes.Lines(content) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // still being written
		}
		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(line)
		require.NoError(s.t, err)
		for _, rl := range logs.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, record := range sl.LogRecords().All() {
					all = append(all, logRecord{record, rl.Resource().Attributes(), sl.Scope().Name()})
				}
			}
		}
	}
	return all
}

// What the kernel tells arrives by OTLP, whole and in order: policies, a flow that waits for
// an association, in vain, and associations that are flushed.
func TestCausesArriveByOTLP(t *testing.T) {
	requireRoot(t)
	here, _ := pair(t)
	sink := newLogSink(t, here)
	args := []string{program(t, "OTELCOL_XFRM")}
	for _, file := range []string{"host.yaml", "causes.yaml", "to-logs-otlp.yaml"} {
		args = append(args, "--config", shipped(file))
	}
	cmd := here.command(append(args, "--config", withPolicies, "--config", "yaml:receivers::xfrm::logs::interval: 100ms")...)
	cmd.Env = append(os.Environ(), "HOST_NAME=gw1", "LOGS_URL=http://127.0.0.1:4318/v1/logs")
	c := run(t, cmd)
	c.ready()

	type expectation struct {
		event, severity, body string
		attributes            map[string]any
	}
	var want []expectation
	got := sink.logRecords()
	do := func(what string, f func(), expected ...expectation) {
		t.Helper()
		want = append(want, expected...)
		begin := time.Now()
		f()
		eventually(t, "the record of "+what, func() bool {
			got = sink.logRecords()
			return len(got) >= len(want)
		})
		for _, record := range got[len(want)-len(expected):] {
			assert.False(t, record.Timestamp().AsTime().Before(begin), what)
			assert.False(t, record.ObservedTimestamp().AsTime().Before(record.Timestamp().AsTime()), what)
			assert.False(t, record.ObservedTimestamp().AsTime().After(time.Now()), what)
		}
	}
	policy := func(verb string, more ...string) func() {
		return func() {
			args := []string{"xfrm", "policy", verb, "src", hereAddress, "dst", thereAddress, "dir", "out"}
			here.ip(append(args, more...)...)
		}
	}
	flow := func(change string, more map[string]any) map[string]any {
		all := map[string]any{
			"xfrm.policy.change": change, "direction": "outbound",
			"source.address": hereAddress + "/32", "destination.address": thereAddress + "/32",
		}
		for key, value := range more {
			all[key] = value
		}
		return all
	}
	const subject = "the outbound policy for packets from " + hereAddress + "/32 to " + thereAddress + "/32 was "
	const template = "src " + hereAddress + " dst " + thereAddress + " proto esp reqid 101 mode tunnel"
	through := []string{"tmpl", "src", hereAddress, "dst", thereAddress, "proto", "esp", "mode", "tunnel", "reqid", "101"}

	blocks := map[string]any{"xfrm.policy.action": "block"}
	do("a new policy", policy("add", "action", "block"),
		expectation{"xfrm.policy.changed", "Info", subject + "created (block)", flow("created", blocks)})
	uses := map[string]any{"xfrm.policy.action": "allow", "xfrm.policy.templates": []any{template}}
	do("a policy that changes", policy("update", through...),
		expectation{"xfrm.policy.changed", "Info", subject + "updated (allow through " + template + ")", flow("updated", uses)})

	// Acquires come while somebody else listens to them, as an IKE daemon does.
	out, err := here.command("sh", "-c", "echo 2 >/proc/sys/net/core/xfrm_acq_expires").CombinedOutput()
	require.NoError(t, err, "%s", out)
	daemon := run(t, here.command("ip", "xfrm", "monitor", "acquire"))
	eventually(t, "both listen to acquires", func() bool {
		table, err := here.command("cat", "/proc/net/netlink").CombinedOutput()
		require.NoError(t, err)
		members := regexp.MustCompile(`(?m)^\S+\s+6\s+\S+\s+[0-9a-f]{7}[13579bdf]\s`).FindAll(table, -1)
		return len(members) == 2
	})
	waiting := func(state string) map[string]any {
		return map[string]any{
			"xfrm.acquire.state": state, "direction": "outbound",
			"source.address": hereAddress, "destination.address": thereAddress, "source.port": nil, "destination.port": int64(9),
			"network.transport": "udp", "network.peer.address": thereAddress, "xfrm.reqid": int64(101), "xfrm.policy.index": nil,
		}
	}
	do("a flow that waits", func() { here.sendFrom(hereAddress, thereAddress, 3) },
		expectation{"xfrm.acquire", "Info", "need a security association with " + thereAddress + ", and there is none yet", waiting("waiting")},
		expectation{"xfrm.acquire", "Warn", "got no security association with " + thereAddress + ": no IKE daemon set one up in time", waiting("unanswered")})
	daemon.kill()

	do("a policy that is deleted", policy("delete"),
		expectation{"xfrm.policy.changed", "Info", subject + "deleted (allow through " + template + ")", flow("deleted", uses)})
	here.ip("xfrm", "state", "allocspi", "src", hereAddress, "dst", thereAddress, "proto", "esp", "mode", "tunnel", "reqid", "1")
	do("associations that are flushed", func() { here.ip("xfrm", "state", "flush") },
		expectation{"xfrm.sa.deleted", "Info", "all security associations were deleted at once (flushed)", map[string]any{"direction": "unknown"}})
	do("a policy without templates", policy("add"),
		expectation{"xfrm.policy.changed", "Info", subject + "created (allow)", flow("created", map[string]any{"xfrm.policy.action": "allow"})})
	do("policies that are flushed", func() { here.ip("xfrm", "policy", "flush") },
		expectation{"xfrm.policy.changed", "Info", "all policies were deleted at once (flushed)", map[string]any{"xfrm.policy.change": "flushed"}})

	c.interrupt()
	got = sink.logRecords()
	require.Len(t, got, len(want), "and no others")
	for i, record := range got {
		assert.Equal(t, map[string]any{"service.name": "otelcol-xfrm", "service.instance.id": "gw1", "host.name": "gw1"}, record.resource.AsRaw())
		assert.Equal(t, "github.com/xfrmreceiver/xfrmreceiver", record.scope)
		assert.Equal(t, want[i].event, record.EventName())
		assert.Equal(t, want[i].severity, record.SeverityText())
		assert.Equal(t, want[i].severity, record.SeverityNumber().String())
		assert.Contains(t, record.Body().Str(), want[i].body)
		attributes := record.Attributes().AsRaw()
		for key, value := range want[i].attributes {
			if value == nil { // the kernel chose it
				assert.NotZero(t, attributes[key], key)
				delete(attributes, key)
				delete(want[i].attributes, key)
			}
		}
		assert.Equal(t, want[i].attributes, attributes)
	}
	// The same is printed.
	for _, one := range want {
		assert.Contains(t, c.output.String(), one.body)
	}
}

// docs/causes.md lists every event with its default, and has a section for each.
func TestDocumentedEvents(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "docs", "causes.md"))
	require.NoError(t, err)
	events := readMetadata(t).Events
	require.NotEmpty(t, events)
	for name, event := range events {
		on := "off"
		if event.Enabled {
			on = "on"
		}
		assert.Contains(t, string(content), "\n| `"+name+"` | "+on+" | ")
		assert.Contains(t, string(content), "\n### "+name+"\n\n```text\n")
	}
	rows := regexp.MustCompile("(?m)^\\| `xfrm[a-z.]+` \\| o").FindAll(content, -1)
	assert.Len(t, rows, len(events))
}
