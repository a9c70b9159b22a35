// SPDX-License-Identifier: Apache-2.0

// Command benchmarks compares the receiver with the bare system calls for the
// same work, with prometheus/procfs and with a collector for Prometheus.
//
// `make bench` runs it and writes docs/performance.md.
package main
