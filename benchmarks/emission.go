// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// emissionResult is a line that `go test -bench` prints for BenchmarkTunnels.
var emissionResult = regexp.MustCompile(`(?m)^BenchmarkTunnels/(\d+)\S*\s.*?([\d.]+) ns/op\s+([\d.]+) points/op\s.*?(\d+) B/op\s+(\d+) allocs/op`)

// emission runs the receiver's own benchmark of recording: it needs no kernel.
func emission(r *report) {
	test := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkTunnels$", "-benchmem",
		"-benchtime", "3x", "-count", "25", "github.com/xfrmreceiver/xfrmreceiver")
	test.Stderr = os.Stderr
	type emitted struct{ tunnels, points, time, bytes, allocations float64 }
	var rows []emitted
	for _, match := range emissionResult.FindAllStringSubmatch(string(must(test.Output())), -1) {
		var v [5]float64
		for i := range v {
			v[i] = must(strconv.ParseFloat(match[i+1], 64))
		}
		row := emitted{tunnels: v[0], time: v[1], points: v[2], bytes: v[3], allocations: v[4]}
		if last := len(rows) - 1; last >= 0 && rows[last].tunnels == row.tunnels {
			row.time = min(row.time, rows[last].time)
			rows[last] = row
			continue
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 {
		panic("BenchmarkTunnels printed no results")
	}
	r.heading("Tunnels as metrics")
	r.text("What a scrape adds to that: from the sums of the tunnels to finished pdata, with all metrics of tunnels and an association in\n" +
		"each direction. Nothing is read from the kernel.")
	r.text("| tunnels | points | time | time of a point | allocations of a point | allocated for a point |\n|---|---|---|---|---|---|")
	var limits []limit
	for _, row := range rows {
		point := row.time / row.points
		_, _ = fmt.Fprintf(r, "| %.0f | %.0f | %.0f µs | %.2f µs | %.1f | %.0f B |\n", row.tunnels, row.points, row.time/1000,
			point/1000, row.allocations/row.points, row.bytes/row.points)
		limits = append(limits, limit{fmt.Sprintf("µs for a point of %.0f tunnels", row.tunnels), point / 1000, 2})
	}
	last, half := rows[len(rows)-1], rows[len(rows)-2]
	limits = append(limits, limit{
		fmt.Sprintf("time of a point of %.0f, of a point of %.0f", last.tunnels, half.tunnels),
		last.time / last.points / (half.time / half.points), 1.3,
	})
	r.budget(limits...)
}
