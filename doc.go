// SPDX-License-Identifier: Apache-2.0

//go:generate make mdatagen

// Package xfrmreceiver is an OpenTelemetry Collector receiver that reads the
// Linux kernel's IPsec (XFRM) transformation statistics, /proc/net/xfrm_stat:
// how many packets the kernel dropped, and why.
//
// It emits the cumulative monotonic sum xfrm.packet.dropped with the attributes
// direction and reason, and xfrm.netns.count, how many network namespaces it
// read. documentation.md describes them, docs/reasons.md says what each reason
// means.
package xfrmreceiver
