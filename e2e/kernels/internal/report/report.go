// SPDX-License-Identifier: Apache-2.0

// Package report is what the guest tells the host: one JSON object a line.
package report

// Counters are values by counter. The keys are the kernel's names, or
// direction/reason where they went through the collector.
type Counters map[string]int64

// Snapshot is what three observers saw at one time.
type Snapshot struct {
	// Kernel is /proc/net/xfrm_stat.
	Kernel Counters `json:"kernel"`
	// OTLP is the last scrape that the second collector received.
	OTLP Counters `json:"otlp"`
	// Prometheus is what Prometheus' HTTP API returns.
	Prometheus Counters `json:"prometheus"`
}

// Step is one provocation: a scenario, or a mistake of an operator.
type Step struct {
	Name string `json:"name"`
	// Before is the snapshot after the step before: clearing up must count
	// nothing either.
	Before Snapshot `json:"before"`
	After  Snapshot `json:"after"`
	// Confirmed is what commands of the runbook printed right after it.
	Confirmed map[string]string `json:"confirmed,omitempty"`
	// Refused: this kernel does not allow what the step needs, and nothing may
	// have counted.
	Refused bool `json:"refused,omitempty"`
	// Error says why the step could not be done; then its counters mean nothing.
	Error string `json:"error,omitempty"`
}

// Series are values by series: the side of the collector, the metric without
// "xfrm.", and those of direction, reason, reqid, interface and mark that there
// are, as in "here tunnel.packet.count inbound 1". The side is followed by the name
// of a network namespace, or by "process", if that is not the collector's own, as
// in "here/blue sa.count". Series that differ in other attributes alone are added
// up.
type Series map[string]float64

// TunnelStep is what the collectors of both sides said before and after something
// was done to a tunnel.
type TunnelStep struct {
	Name   string `json:"name"`
	Before Series `json:"before"`
	After  Series `json:"after"`
	// Kernel is how far the counters of Here rose.
	Kernel Counters `json:"kernel"`
	// Sent is what the step itself counted, by the name of a series.
	Sent Series `json:"sent,omitempty"`
	// Log is what the collector of Here logged since the guest began.
	Log string `json:"log,omitempty"`
	// Error says why the step could not be done; then its values mean nothing.
	Error string `json:"error,omitempty"`
}

// Record is a log record.
type Record struct {
	Event      string            `json:"event"`
	Severity   string            `json:"severity"`
	Body       string            `json:"body"`
	Attributes map[string]string `json:"attributes"`
}

// EventStep is what the collector of Here recorded while something was done.
type EventStep struct {
	Name    string   `json:"name"`
	Records []Record `json:"records"`
	// Kernel is how far the counters of Here rose.
	Kernel Counters `json:"kernel"`
	// Log is what the collector logged since the guest began.
	Log string `json:"log,omitempty"`
	// Error says why the step could not be done; then its records mean nothing.
	Error string `json:"error,omitempty"`
}

// Stage is what there was to see after something was done to tunnels.
type Stage struct {
	Name string `json:"name"`
	// Served is what the collector of each side serves to Prometheus: the text format,
	// without comments, in gzip.
	Served map[string][]byte `json:"served"`
	// Kernel are the associations of all namespaces.
	Kernel []Association `json:"kernel"`
}

// Association is what the kernel says of one.
type Association struct {
	Side     string `json:"side"`
	Outbound bool   `json:"outbound,omitempty"`
	Reqid    int    `json:"reqid"`
	SPI      int    `json:"spi"`
	// Established is false for a larval one.
	Established bool `json:"established,omitempty"`
	// Created is a Unix time.
	Created      uint64 `json:"created"`
	Bytes        uint64 `json:"bytes,omitempty"`
	Packets      uint64 `json:"packets,omitempty"`
	Sequence     uint32 `json:"sequence,omitempty"`
	Replay       uint32 `json:"replay,omitempty"`
	ReplayWindow uint32 `json:"replay_window,omitempty"`
	Failed       uint32 `json:"failed,omitempty"`
}

// Line is one line of the report; exactly one field is set.
type Line struct {
	// Release is the kernel's release, the first line.
	Release string `json:"release,omitempty"`
	// Note is for whoever reads the log.
	Note   string      `json:"note,omitempty"`
	Step   *Step       `json:"step,omitempty"`
	Tunnel *TunnelStep `json:"tunnel,omitempty"`
	Event  *EventStep  `json:"event,omitempty"`
	Stage  *Stage      `json:"stage,omitempty"`
	// Error ended the guest.
	Error string `json:"error,omitempty"`
	// Done is the last line of a guest that did all.
	Done bool `json:"done,omitempty"`
}
