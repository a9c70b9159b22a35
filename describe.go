// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// finish gives log records what the generated builder does not: severity, body and
// the time of observation. It sorts them by time.
func finish(records plog.LogRecordSlice, now time.Time) {
	records.Sort(func(a, b plog.LogRecord) bool { return a.Timestamp() < b.Timestamp() })
	for _, record := range records.All() {
		severity, body := describe(record.EventName(), attributes{record.Attributes()})
		record.SetSeverityNumber(severity)
		record.SetSeverityText(severity.String())
		record.Body().SetStr(body)
		record.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
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
			return warn, fmt.Sprintf("%s waited in vain for a security association with %s: the IKE daemon set up none",
				a.flow(), a.text("network.peer.address"))
		}
		return info, fmt.Sprintf("%s waits for a security association with %s", a.flow(), a.text("network.peer.address"))
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
			return info, "all security associations" + a.of("xfrm.protocol") + " were deleted at once (flushed)"
		}
		return info, fmt.Sprintf("%s was deleted after %s", a.association(), a.used())
	case "xfrm.mapping.changed":
		return info, fmt.Sprintf("packets with SPI %s come from %s port %d now, before from %s port %d", a.spi(),
			a.text("network.peer.address"), a.number("network.peer.port"),
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
	packets := plural(a.number("xfrm.event.count"), "packet")
	if a.has("xfrm.event.peers") {
		return fmt.Sprintf("%s of %s or more dropped (%s %s): more different ones than logs::limit",
			packets, plural(a.number("xfrm.event.peers"), "peer"), a.text("direction"), a.text("reason"))
	}
	if a.text("direction") == "outbound" {
		return fmt.Sprintf("%s to %s dropped: the sequence numbers of the security association with SPI %s are used up",
			packets, a.text("network.peer.address"), a.spi())
	}
	why := a.text("reason")
	switch why {
	case "no_states":
		why = "there is no security association with SPI " + a.spi()
	case "state_proto_error":
		why = "the integrity check failed, SPI " + a.spi()
	case "state_seq_error":
		why = "the sequence number was seen before or is too old, SPI " + a.spi()
	}
	return fmt.Sprintf("%s from %s dropped: %s", packets, a.text("network.peer.address"), why)
}

func describePolicy(a attributes) string {
	change := a.text("xfrm.policy.change")
	if change == "flushed" {
		return "all policies were deleted at once (flushed)"
	}
	what := a.text("xfrm.policy.action")
	if templates, ok := a.m.Get("xfrm.policy.templates"); ok {
		what = "use "
		for i, template := range templates.Slice().All() {
			if i > 0 {
				what += ", then "
			}
			what += template.Str()
		}
	}
	return fmt.Sprintf("the %s policy for %s was %s: %s", a.text("direction"), a.flow(), change, what)
}

func describeLost(a attributes) string {
	const truth = "; records are missing, the metrics are not affected"
	n := "events"
	if a.has("xfrm.event.count") {
		n = plural(a.number("xfrm.event.count"), "event")
	}
	switch a.text("xfrm.event.source") {
	case "audit":
		return n + " of the kernel's audit were lost, of any kind" + truth
	case "receiver":
		return n + " were dropped because the next component did not take them in time" + truth
	default:
		return n + " of NETLINK_XFRM were lost because they came faster than they were read" + truth
	}
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
		return "an unknown one"
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

// spi is written as ip(8) does.
func (a attributes) spi() string {
	if !a.has("xfrm.spi") {
		return "unknown"
	}
	return fmt.Sprintf("0x%08x", a.number("xfrm.spi"))
}

// of returns " of VALUE", or nothing.
func (a attributes) of(key string) string {
	if !a.has(key) {
		return ""
	}
	return " of " + a.text(key)
}

// association names a security association.
func (a attributes) association() string {
	peer := "with " + a.text("network.peer.address")
	switch a.text("direction") {
	case "inbound":
		peer = "from " + a.text("network.peer.address")
	case "outbound":
		peer = "to " + a.text("network.peer.address")
	}
	return fmt.Sprintf("the %s security association %s, SPI %s, reqid %d,", a.text("xfrm.protocol"), peer, a.spi(), a.number("xfrm.reqid"))
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
	flow := a.endpoint("source") + " to " + a.endpoint("destination")
	if a.has("network.transport") {
		flow = a.text("network.transport") + " from " + flow
	}
	return flow
}

func (a attributes) endpoint(end string) string {
	address := "any"
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
