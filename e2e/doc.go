// SPDX-License-Identifier: Apache-2.0

// Package e2e tests the built collector beside a kernel that drops packets. Its
// tests make network namespaces of their own, drop packets there, and compare
// what an independent OTLP receiver and a real Prometheus got with the number of
// packets that were sent.
//
// Run it with `make e2e`.
package e2e
