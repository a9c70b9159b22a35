package main

import (
	"runtime"
	"slices"
	"time"
)

// contender is one of several ways to do the same.
type contender struct {
	name string
	// run does it once.
	run func()
}

// result is what many runs of a contender cost.
type result struct {
	name string
	// median and fastest of one run.
	median, fastest time.Duration
	// allocations and bytes of one run.
	allocations, bytes uint64
}

// compare runs the contenders in turn, so that what disturbs the machine
// disturbs all of them, in batches that take long enough to be timed.
func compare(rounds, batch int, contenders ...contender) []result {
	samples := make([][]time.Duration, len(contenders))
	results := make([]result, len(contenders))
	for i, c := range contenders {
		c.run() // warm
		results[i] = result{name: c.name}
		results[i].allocations, results[i].bytes = allocated(c.run)
	}
	for round := range rounds {
		for k := range contenders {
			// Each begins in turn.
			i := (k + round) % len(contenders)
			runtime.GC()
			begin := time.Now()
			for range batch {
				contenders[i].run()
			}
			samples[i] = append(samples[i], time.Since(begin)/time.Duration(batch))
		}
	}
	for i := range results {
		slices.Sort(samples[i])
		results[i].median = samples[i][len(samples[i])/2]
		results[i].fastest = samples[i][0]
	}
	return results
}

// allocated is what one run allocates, on all goroutines.
func allocated(run func()) (allocations, bytes uint64) {
	const runs = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		run()
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
}
