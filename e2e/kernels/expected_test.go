// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/promtool"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// end is a tunnel as one of its two sides has it.
type end struct {
	side  string
	reqid int
	// shown are its labels in the dashboard, recorded those of the recorded series.
	shown, recorded model.Metric
}

// ends are all tunnels of the stages.
func ends() []end {
	gw1 := model.Metric{"node": "gw1", "network_namespace_kind": "host"}
	// Without a HOST_NAME.
	other := model.Metric{"node": "10.0.0.2:9464", "network_namespace_kind": "host"}
	vpn := model.Metric{"node": "gw1", "network_namespace_kind": "named", "network_namespace": "vpn"}
	branch := model.Metric{"node": "gw1", "network_namespace_kind": "named", "network_namespace": "branch"}
	named := func(name model.LabelValue) model.Metric { return model.Metric{"host_name": "gw1", "netns_name": name} }
	host, localhost := model.Metric{"host_name": "gw1"}, model.Metric{"host_name": "localhost", "instance": "10.0.0.2:9464", "exported_instance": "localhost"}
	one := func(side string, reqid int, node, recorded model.Metric, local, peer model.LabelValue) end {
		e := end{side, reqid, node.Clone(), recorded.Clone()}
		for _, labels := range []model.Metric{e.shown, e.recorded} {
			labels["network_local_address"], labels["network_peer_address"] = local, peer
			labels["xfrm_reqid"] = model.LabelValue(fmt.Sprint(reqid))
			if reqid == traffic.ReqidPileUp {
				labels["network_interface_name"] = traffic.Interface
			}
		}
		e.recorded["xfrm_protocol"], e.recorded["xfrm_mode"] = "esp", "transport"
		if reqid == traffic.ReqidPileUp {
			e.recorded["xfrm_if_id"] = "7"
		}
		return e
	}
	return []end{
		one("here", traffic.ReqidBusy, gw1, host, "10.0.0.1", "10.0.0.2"),
		one("here", traffic.ReqidOverdue, gw1, host, "10.0.0.1", "10.0.0.2"),
		one("here", traffic.ReqidPileUp, gw1, host, "10.0.0.1", "10.0.0.2"),
		one("here", traffic.ReqidSequence, gw1, host, "10.0.0.1", "10.0.0.3"),
		one("there", traffic.ReqidBusy, other, localhost, "10.0.0.2", "10.0.0.1"),
		one("there", traffic.ReqidOverdue, other, localhost, "10.0.0.2", "10.0.0.1"),
		one("vpn", traffic.ReqidNamed, vpn, named("vpn"), "10.8.0.1", "10.8.0.2"),
		one("branch", traffic.ReqidNamed, branch, named("branch"), "10.8.0.2", "10.8.0.1"),
	}
}

// hereOf is a tunnel as Here has it.
func hereOf(reqid int) end {
	all := ends()
	return all[slices.IndexFunc(all, func(e end) bool { return e.side == "here" && e.reqid == reqid })]
}

// expectation is what a query returns in a minute.
type expectation struct {
	minute  int
	samples []promtool.Sample
}

func one(labels model.Metric, value float64) promtool.Sample {
	return promtool.Sample{Labels: labels.String(), Value: value}
}

// monitored is what there was to see.
type monitored struct {
	moments []*moment
	// quiet is before the traffic. last is the minute of the last round, when it has
	// been the same for longer than a window. settled is when the last packet that was
	// refused is out of the window, gone when a tunnel has been without SAs for long.
	quiet, last, settled, gone int
}

const (
	windowMinutes = 5
	// inWindow are the minutes from the first to the last scrape in a window.
	inWindow = windowMinutes - 1
)

// at is the moment of a minute.
func (m monitored) at(minute int) *moment {
	return m.moments[slices.IndexFunc(m.moments, func(one *moment) bool { return minute <= one.last })]
}

// rise is how far a figure of the kernel rose in the minutes before the last round.
func (m monitored) rise(minutes int, side string, reqid int, outbound bool, figure func(sum) float64) float64 {
	d := direction{side, reqid, outbound}
	return figure(m.at(m.last).sums[d]) - figure(m.at(m.last - minutes).sums[d])
}

// samples are of all tunnels that have such a value.
func samples(value func(end) (float64, bool)) (all []promtool.Sample) {
	for _, e := range ends() {
		if v, ok := value(e); ok {
			all = append(all, one(e.shown, v))
		}
	}
	return all
}

func bytesOf(s sum) float64   { return s.bytes }
func packetsOf(s sum) float64 { return s.packets }

// traffic is in bits per second.
func (m monitored) traffic(outbound bool) expectation {
	return expectation{m.last, samples(func(e end) (float64, bool) {
		_, ok := m.at(m.last).sums[direction{e.side, e.reqid, outbound}]
		return 8 * m.rise(inWindow, e.side, e.reqid, outbound, bytesOf) / (inWindow * 60), ok
	})}
}

// refused are packets since the beginning.
func (m monitored) refused(figure func(sum) float64) expectation {
	return expectation{m.settled, samples(func(e end) (float64, bool) {
		inbound, ok := m.at(m.last).sums[direction{e.side, e.reqid, false}]
		return figure(inbound), ok
	})}
}

// over are both directions of a tunnel now.
func (m monitored) over(combine func(inbound, outbound sum) (float64, bool)) expectation {
	return expectation{m.last, samples(func(e end) (float64, bool) {
		sums := m.at(m.last).sums
		return combine(sums[direction{e.side, e.reqid, false}], sums[direction{e.side, e.reqid, true}])
	})}
}

// path is from one address to another.
type path struct {
	from, to string
	// the labels of the two addresses.
	local, peer model.LabelValue
	reqids      []int
}

var paths = []path{
	{"here", "there", "10.0.0.1", "10.0.0.2", []int{traffic.ReqidBusy, traffic.ReqidOverdue}},
	{"there", "here", "10.0.0.2", "10.0.0.1", []int{traffic.ReqidBusy, traffic.ReqidOverdue}},
	{"vpn", "branch", "10.8.0.1", "10.8.0.2", []int{traffic.ReqidNamed}},
	{"branch", "vpn", "10.8.0.2", "10.8.0.1", []int{traffic.ReqidNamed}},
}

func (p path) labels() model.Metric {
	return model.Metric{"network_local_address": p.local, "network_peer_address": p.peer, "xfrm_protocol": "esp"}
}

// lost says how many packets of a path were sent within the window, and how many of
// them did not arrive.
func (m monitored) lost(p path) (sent, missing float64) {
	for _, reqid := range p.reqids {
		sent += m.rise(windowMinutes, p.from, reqid, true, packetsOf)
		missing -= m.rise(windowMinutes, p.to, reqid, false, packetsOf)
	}
	return sent, sent + missing
}

func (m monitored) ofPaths(value func(sent, missing float64) float64, name model.LabelValue) expectation {
	got := expectation{minute: m.last}
	for _, p := range paths {
		labels := p.labels()
		if name != "" {
			labels[model.MetricNameLabel] = name
		}
		got.samples = append(got.samples, one(labels, value(m.lost(p))))
	}
	return got
}

// age is what the collector served of the newest association of one direction.
func (m monitored) age(t *testing.T, e end, outbound bool) (age float64, ok bool) {
	t.Helper()
	now := m.at(m.last)
	kernel := now.sums[direction{e.side, e.reqid, outbound}]
	if kernel.count == 0 {
		return 0, false
	}
	labels := e.recorded.Clone()
	labels[model.MetricNameLabel], labels["direction"] = "xfrm_tunnel_sa_age_seconds", "inbound"
	if outbound {
		labels["direction"] = "outbound"
	}
	for _, served := range now.served {
		if contains(served.labels, labels) {
			// The exporter gives milliseconds.
			assert.InDelta(t, served.time-kernel.created, served.value, 0.002, labels)
			return served.value, true
		}
	}
	assert.Fail(t, "not served", labels)
	return 0, false
}

func contains(metric, labels model.Metric) bool {
	for name, value := range labels {
		if metric[name] != value {
			return false
		}
	}
	return true
}

// queries are what the dashboard's return.
func (m monitored) queries(t *testing.T) map[string]expectation {
	t.Helper()
	missing := func(_, missing float64) float64 { return missing }
	in, out := m.traffic(false), m.traffic(true)
	return map[string]expectation{
		"Traffic in": in, "Tunnels: in": in,
		"Traffic out": out, "Tunnels: out": out,
		"Tunnels: replayed": m.refused(func(s sum) float64 { return s.replayed }),
		"Tunnels: late":     m.refused(func(s sum) float64 { return s.late }),
		"Tunnels: forged":   m.refused(func(s sum) float64 { return s.forged }),
		"Tunnels: age": {m.last, samples(func(e end) (float64, bool) {
			inbound, hasIn := m.age(t, e, false)
			outbound, hasOut := m.age(t, e, true)
			switch {
			case !hasIn:
				return outbound, hasOut
			case !hasOut:
				return inbound, true
			}
			return min(inbound, outbound), true
		})},
		"Tunnels: lifetime used": {m.last, []promtool.Sample{one(hereOf(traffic.ReqidOverdue).shown, m.lifetime())}},
		"Tunnels: sequence numbers used": m.over(func(inbound, outbound sum) (float64, bool) {
			return max(inbound.sequence, outbound.sequence) / math.MaxUint32, true
		}),
		"Tunnels: SAs in":  m.over(func(inbound, _ sum) (float64, bool) { return inbound.count, inbound != sum{} }),
		"Tunnels: SAs out": m.over(func(_, outbound sum) (float64, bool) { return outbound.count, outbound != sum{} }),
		"Lost between two ends, in the $window minutes before": m.ofPaths(missing, "path:xfrm_tunnel_packet_count:missing"),
		"Lost now": m.ofPaths(func(sent, missing float64) float64 { return missing / sent }, ""),
	}
}

// lifetime is how much of its limit of packets ReqidOverdue has used.
func (m monitored) lifetime() float64 {
	return m.at(m.last).sums[direction{"here", traffic.ReqidOverdue, false}].packets / traffic.PacketLimit
}

// alerts are what the expressions of the alerts return when they fire.
func (m monitored) alerts(t *testing.T) map[string]expectation {
	t.Helper()
	single := func(minute int, labels model.Metric, value float64) expectation {
		return expectation{minute, []promtool.Sample{one(labels, value)}}
	}
	refused := func(figure func(sum) float64) expectation {
		return single(m.last, hereOf(traffic.ReqidBusy).recorded, m.rise(windowMinutes, "here", traffic.ReqidBusy, false, figure))
	}
	age, _ := m.age(t, hereOf(traffic.ReqidOverdue), false)
	piledUp := hereOf(traffic.ReqidPileUp).recorded
	piledUp["direction"] = "inbound"
	used := m.at(m.last).sums[direction{"here", traffic.ReqidSequence, true}].sequence
	exhausted := single(m.last, hereOf(traffic.ReqidSequence).recorded, (math.MaxUint32-used)/traffic.SequenceStep*60)
	lost := single(m.gone, hereOf(traffic.ReqidBusy).recorded, float64(m.moments[len(m.moments)-1].first*60))
	_, missing := m.lost(paths[0])
	larval := 0.0
	for _, a := range m.at(m.last).Kernel {
		if !a.Established {
			larval++
		}
	}
	return map[string]expectation{
		"XfrmTunnelLost warning":             lost,
		"XfrmTunnelLost critical":            lost,
		"XfrmTunnelRekeyOverdue warning":     single(m.last+2, hereOf(traffic.ReqidOverdue).recorded, age/m.lifetime()-age),
		"XfrmTunnelSequenceNumbers warning":  exhausted,
		"XfrmTunnelSequenceNumbers critical": exhausted,
		"XfrmTunnelReplay warning":           refused(func(s sum) float64 { return s.replayed + s.late }),
		"XfrmTunnelIntegrity warning":        refused(func(s sum) float64 { return s.forged }),
		"XfrmTunnelPacketLoss warning":       single(m.last, paths[0].labels(), missing),
		"XfrmTunnelPileUp warning":           single(m.last, piledUp, m.at(m.last).sums[direction{"here", traffic.ReqidPileUp, false}].count),
		"XfrmNegotiationHangs warning":       single(m.last, model.Metric{"host_name": "gw1"}, larval),
	}
}
