// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/xfrmreceiver/xfrmreceiver/internal/drops"
)

// finish gives log records what the generated builder does not: severity, body and
// the time of observation. It sorts them by time.
func finish(logs plog.Logs, now time.Time) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			records := scope.LogRecords()
			records.Sort(func(a, b plog.LogRecord) bool { return a.Timestamp() < b.Timestamp() })
			for _, record := range records.All() {
				severity, body := describe(record.EventName(), attributes{record.Attributes()})
				record.SetSeverityNumber(severity)
				record.SetSeverityText(severity.String())
				record.Body().SetStr(body)
				record.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
			}
		}
	}
}

// describe returns the severity of an event, and what it says in words.
func describe(event string, a attributes) (plog.SeverityNumber, string) {
	const info, warn = plog.SeverityNumberInfo, plog.SeverityNumberWarn
	switch event {
	case "xfrm.packet.dropped":
		return warn, describeDrop(a)
	case "xfrm.acquire":
		if a.text("xfrm.acquire.state") == "unanswered" {
			return warn, fmt.Sprintf("%s got no security association with %s: no IKE daemon set one up in time", a.flow(), a.peer())
		}
		return info, fmt.Sprintf("%s need a security association with %s, and there is none yet", a.flow(), a.peer())
	case "xfrm.sa.expired":
		if a.truth("xfrm.hard") {
			return warn, fmt.Sprintf("%s has ended: it reached its hard limit of %s after %s", a.association(), a.limit(), a.used())
		}
		return info, fmt.Sprintf("%s reached its soft limit of %s after %s: the IKE daemon should replace it",
			a.association(), a.limit(), a.used())
	case "xfrm.sa.created":
		return info, a.association() + " was created"
	case "xfrm.sa.deleted":
		if !a.has("xfrm.spi") {
			return info, "all " + a.protocol() + "security associations were deleted at once (flushed)"
		}
		return info, fmt.Sprintf("%s was deleted after %s", a.association(), a.used())
	case "xfrm.mapping.changed":
		return info, fmt.Sprintf("packets with SPI %s come from %s port %d now, and came from %s port %d before: a NAT or the peer has moved",
			a.spi(), a.peer(), a.number("network.peer.port"),
			a.text("xfrm.peer.previous_address"), a.number("xfrm.peer.previous_port"))
	case "xfrm.policy.changed":
		return info, describePolicy(a)
	case "xfrm.events.lost":
		return warn, describeLost(a)
	default:
		return info, event
	}
}

func describeDrop(a attributes) string {
	n := a.number("xfrm.event.count")
	preposition := "from"
	if a.text("direction") == "outbound" {
		preposition = "to"
	}
	if a.has("xfrm.event.peers") {
		peers := a.number("xfrm.event.peers")
		most := ""
		if peers >= drops.MaxPeers {
			most = "at least "
		}
		return fmt.Sprintf("%s %s %s%s %s dropped (%s %s); they are counted together because more different ones came than logs::limit",
			plural(n, "packet"), preposition, most, plural(peers, "peer"), were(n), a.text("direction"), a.text("reason"))
	}
	why, with := a.text("reason"), ""
	if a.has("xfrm.spi") {
		with = " with SPI " + a.spi()
	}
	switch direction := a.text("direction"); {
	case direction == "inbound" && why == "no_states":
		why = "there is no security association" + with
	case direction == "inbound" && why == "state_proto_error":
		why = "the integrity check of the security association" + with + " failed"
	case direction == "inbound" && why == "state_seq_error":
		why = "the security association" + with + " saw the sequence number before, or it is too old"
	case direction == "outbound" && why == "state_seq_error":
		why = "the sequence numbers of the security association" + with + " are used up"
	}
	return fmt.Sprintf("%s %s %s %s dropped: %s", plural(n, "packet"), preposition, a.peer(), were(n), why)
}

func describePolicy(a attributes) string {
	change := a.text("xfrm.policy.change")
	if change == "flushed" {
		return "all policies were deleted at once (flushed)"
	}
	what := a.text("xfrm.policy.action")
	if templates, ok := a.m.Get("xfrm.policy.templates"); ok {
		what += " through "
		for i, template := range templates.Slice().All() {
			if i > 0 {
				what += ", then "
			}
			what += template.AsString()
		}
	}
	if a.has("xfrm.if_id") {
		what += ", if_id " + a.text("xfrm.if_id")
	}
	if a.has("xfrm.mark") {
		what += ", mark " + a.text("xfrm.mark")
	}
	return fmt.Sprintf("the %s policy for %s was %s (%s)", a.text("direction"), a.flow(), change, what)
}

func describeLost(a attributes) string {
	n, isCounted := a.number("xfrm.event.count"), a.has("xfrm.event.count")
	count := func(what string) string {
		if !isCounted {
			return what + "s were"
		}
		return plural(n, what) + " " + were(n)
	}
	var text string
	switch a.text("xfrm.event.source") {
	case "audit":
		text = count("audit record") + " lost, of any kind"
	case "receiver":
		text = count("log record") + " dropped, the next component did not take more"
	default:
		text = count("NETLINK_XFRM event") + " lost"
	}
	return text + "; the metrics are not affected"
}

// attributes are those of a log record.
type attributes struct{ m pcommon.Map }

func (a attributes) has(key string) bool {
	_, ok := a.m.Get(key)
	return ok
}

func (a attributes) text(key string) string {
	value, ok := a.m.Get(key)
	if !ok {
		return "unknown"
	}
	return value.AsString()
}

func (a attributes) number(key string) int64 {
	value, _ := a.m.Get(key)
	return value.Int()
}

func (a attributes) truth(key string) bool {
	value, _ := a.m.Get(key)
	return value.Bool()
}

func (a attributes) peer() string {
	if !a.has("network.peer.address") {
		return "an unknown peer"
	}
	return a.text("network.peer.address")
}

// spi is written as ip(8) does.
func (a attributes) spi() string { return fmt.Sprintf("0x%08x", a.number("xfrm.spi")) }

// protocol returns the protocol and a space, or nothing.
func (a attributes) protocol() string {
	if !a.has("xfrm.protocol") {
		return ""
	}
	return a.text("xfrm.protocol") + " "
}

// association names a security association.
func (a attributes) association() string {
	local, peer := a.text("network.local.address"), a.peer()
	ends := "between " + local + " and " + peer
	switch a.text("direction") {
	case "inbound":
		ends = "from " + peer + " to " + local
	case "outbound":
		ends = "from " + local + " to " + peer
	}
	return fmt.Sprintf("the %ssecurity association %s (SPI %s, reqid %d)", a.protocol(), ends, a.spi(), a.number("xfrm.reqid"))
}

func (a attributes) limit() string {
	switch limit := a.text("xfrm.limit"); limit {
	case "use_time":
		return "time since its first use"
	case "unknown":
		return "an unknown kind"
	default:
		return limit
	}
}

func (a attributes) used() string {
	return fmt.Sprintf("%s and %s", plural(a.number("xfrm.packets"), "packet"), plural(a.number("xfrm.bytes"), "byte"))
}

// flow names the packets of a flow or a policy.
func (a attributes) flow() string {
	flow := "packets from " + a.endpoint("source") + " to " + a.endpoint("destination")
	transport := a.text("network.transport")
	switch _, err := strconv.Atoi(transport); {
	case !a.has("network.transport"):
		return flow
	case err == nil:
		return "IP protocol " + transport + " " + flow
	default:
		return transport + " " + flow
	}
}

func (a attributes) endpoint(end string) string {
	address := "any address"
	if a.has(end + ".address") {
		address = a.text(end + ".address")
	}
	if a.has(end + ".port") {
		return fmt.Sprintf("%s port %d", address, a.number(end+".port"))
	}
	return address
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func were(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
