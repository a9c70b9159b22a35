// Command benchmarks compares the receiver with what the kernel itself costs, and
// with prometheus/procfs and node_exporter, side by side in one run.
//
// `make bench` runs it and writes docs/performance.md.
package main
