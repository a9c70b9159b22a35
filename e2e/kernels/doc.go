// SPDX-License-Identifier: Apache-2.0

// Package kernels boots Debian kernels in QEMU and drops packets there, through
// real ESP and AH associations. Inside the guest the built collector runs beside
// the kernel, a second collector receives OTLP from it, and a real Prometheus
// scrapes it. After each provocation all counters are compared: the expected
// ones rise by the exact number of packets, no other moves. Other guests have a
// collector at each end of tunnels, with keys set by hand and with strongSwan and
// libreswan, and compare every value with what was done.
//
// Kernels come through apt into a cache (XFRM_E2E_CACHE); nothing is installed
// on the host, and the guest has no network.
//
// Run it with `make e2e-kernels`.
package kernels
