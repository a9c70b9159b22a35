// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// exporter does what collector/xfrm.go of node_exporter 1.12.1 does: read and
// parse with procfs, and send a constant metric for each counter.
type exporter struct {
	fs    procfs.FS
	descs []*prometheus.Desc
}

var exported = []string{
	"in_error", "in_buffer_error", "in_hdr_error", "in_no_states", "in_state_proto_error", "in_state_mode_error",
	"in_state_seq_error", "in_state_expired", "in_state_mismatch", "in_state_invalid", "in_tmpl_mismatch",
	"in_no_pols", "in_pol_block", "in_pol_error", "out_error", "out_bundle_gen_error", "out_bundle_check_error",
	"out_no_states", "out_state_proto_error", "out_state_mode_error", "out_state_seq_error", "out_state_expired",
	"out_pol_block", "out_pol_dead", "out_pol_error", "fwd_hdr_error", "out_state_invalid", "acquire_error",
}

// newExporter returns a registry that holds nothing but the exporter.
func newExporter() *prometheus.Registry {
	e := &exporter{fs: must(procfs.NewFS("/proc"))}
	for _, name := range exported {
		name = prometheus.BuildFQName("node", "xfrm", name+"_packets_total")
		e.descs = append(e.descs, prometheus.NewDesc(name, "Packets dropped by XFRM.", nil, nil))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(e)
	return registry
}

// Describe sends nothing: node_exporter's collectors do not announce their metrics.
func (e *exporter) Describe(chan<- *prometheus.Desc) {}

func (e *exporter) Collect(ch chan<- prometheus.Metric) {
	s := must(e.fs.NewXfrmStat())
	for i, value := range [...]int{
		s.XfrmInError, s.XfrmInBufferError, s.XfrmInHdrError, s.XfrmInNoStates, s.XfrmInStateProtoError, s.XfrmInStateModeError,
		s.XfrmInStateSeqError, s.XfrmInStateExpired, s.XfrmInStateMismatch, s.XfrmInStateInvalid, s.XfrmInTmplMismatch,
		s.XfrmInNoPols, s.XfrmInPolBlock, s.XfrmInPolError, s.XfrmOutError, s.XfrmOutBundleGenError, s.XfrmOutBundleCheckError,
		s.XfrmOutNoStates, s.XfrmOutStateProtoError, s.XfrmOutStateModeError, s.XfrmOutStateSeqError, s.XfrmOutStateExpired,
		s.XfrmOutPolBlock, s.XfrmOutPolDead, s.XfrmOutPolError, s.XfrmFwdHdrError, s.XfrmOutStateInvalid, s.XfrmAcquireError,
	} {
		ch <- prometheus.MustNewConstMetric(e.descs[i], prometheus.CounterValue, float64(value))
	}
}
