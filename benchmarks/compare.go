// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// contender is one way to do the work that is compared.
type contender struct {
	name string
	run  func()
}

// cost is the cost of one run.
type cost struct {
	name string
	// cpu is the time of all threads, in user space and in the kernel, and of the
	// programs that were run.
	cpu, wall          time.Duration
	allocations, bytes uint64
}

// compare runs the contenders in turn, so that a disturbance of the machine
// affects all of them, and returns each one's lowest cost of all rounds.
func compare(rounds, batch int, contenders ...contender) []cost {
	costs := make([]cost, len(contenders))
	for i, c := range contenders {
		c.run() // fills caches
		costs[i] = cost{c.name, math.MaxInt64, math.MaxInt64, math.MaxUint64, math.MaxUint64}
	}
	for range rounds {
		for i, c := range contenders {
			costs[i].lower(measure(batch, c.run))
		}
	}
	return costs
}

func measure(batch int, run func()) cost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin, cpu := time.Now(), cpuTime()
	for range batch {
		run()
	}
	c := cost{
		cpu:  (cpuTime() - cpu) / time.Duration(batch),
		wall: time.Since(begin) / time.Duration(batch),
	}
	runtime.ReadMemStats(&after)
	c.allocations = (after.Mallocs - before.Mallocs) / uint64(batch)
	c.bytes = (after.TotalAlloc - before.TotalAlloc) / uint64(batch)
	return c
}

func (c *cost) lower(other cost) {
	c.cpu, c.wall = min(c.cpu, other.cpu), min(c.wall, other.wall)
	c.allocations, c.bytes = min(c.allocations, other.allocations), min(c.bytes, other.bytes)
}

func cpuTime() time.Duration {
	total := int64(0)
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		check(unix.Getrusage(who, &u))
		total += u.Utime.Nano() + u.Stime.Nano()
	}
	return time.Duration(total)
}
