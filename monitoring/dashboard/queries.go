// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// filter is what the variables choose.
const filter = `{cluster=~"$cluster", node=~"$node", network_namespace_kind=~"$kind", network_namespace=~"$namespace"}`

// dropped is recorded by alerts.yaml: the packets dropped in the window before.
const dropped = "network_namespace:xfrm_packet_dropped:increase"

// window is how many minutes a drop is in the recorded series: windowMinutes of
// mixin.libsonnet, which sets it in the dashboard of a mixin that overrides it.
const window = "5"

// inRange counts the packets dropped in the time that the dashboard shows, by
// labels. Each drop is in the recorded series for 5 minutes, so it is in 5 of the
// points that are a minute apart; one that has just happened is in fewer yet, and
// rounding up shows it at once. The variable `window` is that 5.
func inRange(labels string) string {
	return fmt.Sprintf("ceil(sum by (%s) (sum_over_time(%s%s[$__range:1m])) / $window)", labels, dropped, filter)
}

// overTime is for graphs: where a pixel is longer than the window it shows the
// highest of its values, so that no burst is invisible.
func overTime(labels string) string {
	return fmt.Sprintf("sum by (%s) (max_over_time(%s%s[$__rate_interval]))", labels, dropped, filter)
}

// sinceBoot are the kernel's counters as they are.
const sinceBoot = `sort_desc(xfrm_packet_dropped_total{cluster=~"$cluster"} > 0)`

// firing counts an alert once that is a warning and critical.
const firing = `count(count without (severity) (ALERTS{alertname=~"Xfrm.+", alertstate="firing", cluster=~"$cluster"})) or vector(0)`
