// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// A counter of a later kernel has a reason that has no words here.
func TestAReasonWithoutWordsIsSaidAsItIs(t *testing.T) {
	for direction, want := range map[string]string{
		"inbound":  "2 packets from 192.0.2.1 were dropped: iptfs_error",
		"outbound": "2 packets to 192.0.2.1 were dropped: iptfs_error",
		"unknown":  "2 packets from 192.0.2.1 were dropped: iptfs_error",
	} {
		m := pcommon.NewMap()
		m.PutStr("direction", direction)
		m.PutStr("reason", "iptfs_error")
		m.PutStr("network.peer.address", "192.0.2.1")
		m.PutInt("xfrm.spi", 1)
		m.PutInt("xfrm.event.count", 2)
		severity, body := describe("xfrm.packet.dropped", attributes{m})
		assert.Equal(t, want, body)
		assert.Equal(t, plog.SeverityNumberWarn, severity)
	}
}

func TestLimitsInWords(t *testing.T) {
	for limit, want := range map[string]string{
		"time": "its hard limit of time after", "use_time": "its hard limit of time since its first use after",
		"bytes": "its hard limit of bytes after", "unknown": "its hard limit of an unknown kind after",
	} {
		m := pcommon.NewMap()
		m.PutStr("xfrm.limit", limit)
		m.PutBool("xfrm.hard", true)
		_, body := describe("xfrm.sa.expired", attributes{m})
		assert.Contains(t, body, want)
	}
}

// An event that is new in metadata.yaml has a name as its body until it has words.
func TestAnEventWithoutWords(t *testing.T) {
	severity, body := describe("xfrm.new", attributes{pcommon.NewMap()})
	assert.Equal(t, "xfrm.new", body)
	assert.Equal(t, plog.SeverityNumberInfo, severity)
}

// Whatever the attributes are, there is a severity and a body.
func FuzzDescribe(f *testing.F) {
	f.Add("xfrm.packet.dropped", "reason=no_states\nxfrm.event.count\ndirection=inbound", int64(2))
	f.Add("xfrm.policy.changed", "xfrm.policy.templates=a\nnetwork.transport=4", int64(-1))
	f.Add("xfrm.sa.expired", "xfrm.hard\nxfrm.spi", int64(1<<40))
	f.Add("xfrm.acquire", "xfrm.acquire.state=unanswered\nsource.port", int64(0))
	f.Add("xfrm.events.lost", "xfrm.event.source=audit", int64(0))
	f.Add("xfrm.mapping.changed", "xfrm.peer.previous_port", int64(0))
	f.Add("xfrm.sa.deleted", "xfrm.spi=x", int64(0))
	f.Fuzz(func(t *testing.T, event, pairs string, n int64) {
		if !utf8.ValidString(event) || !utf8.ValidString(pairs) {
			return
		}
		logs := plog.NewLogs()
		record := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		record.SetEventName(event)
		for pair := range strings.Lines(pairs) {
			key, value, isText := strings.Cut(strings.TrimSuffix(pair, "\n"), "=")
			switch {
			case key == "xfrm.policy.templates":
				record.Attributes().PutEmptySlice(key).AppendEmpty().SetStr(value)
			case isText:
				record.Attributes().PutStr(key, value)
			case key == "xfrm.hard":
				record.Attributes().PutBool(key, n != 0)
			default:
				record.Attributes().PutInt(key, n)
			}
		}
		finish(logs, record.ObservedTimestamp().AsTime())
		assert.NotEmpty(t, record.SeverityText())
		assert.Equal(t, event == "", record.Body().Str() == "")
		assert.True(t, utf8.ValidString(record.Body().Str()))
	})
}
