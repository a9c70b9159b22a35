// SPDX-License-Identifier: Apache-2.0

package xfrmstat

// kernelNames are the counters of Linux 7.3 in the order in which the kernel
// prints them: xfrm_mib_list in net/xfrm/xfrm_proc.c. The numbers behind the
// names, LINUX_MIB_XFRM*, are in include/uapi/linux/snmp.h. Older kernels print
// a prefix of this list. docs/reasons.md explains each.
var kernelNames = [...]Name{
	known("XfrmInError", Inbound, "error", ""),
	known("XfrmInBufferError", Inbound, "buffer_error", ""),
	known("XfrmInHdrError", Inbound, "hdr_error", ""),
	known("XfrmInNoStates", Inbound, "no_states", ""),
	known("XfrmInStateProtoError", Inbound, "state_proto_error", ""),
	known("XfrmInStateModeError", Inbound, "state_mode_error", ""),
	known("XfrmInStateSeqError", Inbound, "state_seq_error", ""),
	known("XfrmInStateExpired", Inbound, "state_expired", ""),
	known("XfrmInStateMismatch", Inbound, "state_mismatch", ""),
	known("XfrmInStateInvalid", Inbound, "state_invalid", ""),
	known("XfrmInTmplMismatch", Inbound, "tmpl_mismatch", ""),
	known("XfrmInNoPols", Inbound, "no_pols", ""),
	known("XfrmInPolBlock", Inbound, "pol_block", ""),
	known("XfrmInPolError", Inbound, "pol_error", ""),
	known("XfrmOutError", Outbound, "error", ""),
	known("XfrmOutBundleGenError", Outbound, "bundle_gen_error", ""),
	// Incremented nowhere in 5.10, 6.12 and 7.3.
	known("XfrmOutBundleCheckError", Outbound, "bundle_check_error", ""),
	known("XfrmOutNoStates", Outbound, "no_states", ""),
	known("XfrmOutStateProtoError", Outbound, "state_proto_error", ""),
	known("XfrmOutStateModeError", Outbound, "state_mode_error", ""),
	known("XfrmOutStateSeqError", Outbound, "state_seq_error", ""),
	known("XfrmOutStateExpired", Outbound, "state_expired", ""),
	known("XfrmOutPolBlock", Outbound, "pol_block", ""),
	// Incremented nowhere in 5.10, 6.12 and 7.3.
	known("XfrmOutPolDead", Outbound, "pol_dead", ""),
	known("XfrmOutPolError", Outbound, "pol_error", ""),
	// The kernel's documentation lists these two under "Inbound errors",
	// although their names have no In.
	known("XfrmFwdHdrError", Inbound, "fwd_hdr_error", ""),
	known("XfrmOutStateInvalid", Outbound, "state_invalid", ""),
	known("XfrmAcquireError", Inbound, "acquire_error", ""),
	known("XfrmOutStateDirError", Outbound, "state_dir_error", "6.12"),
	known("XfrmInStateDirError", Inbound, "state_dir_error", "6.12"),
	known("XfrmInIptfsError", Inbound, "iptfs_error", "6.18"),
	known("XfrmOutNoQueueSpace", Outbound, "no_queue_space", "6.18"),
}

var kernelIndex = func() map[string]int {
	index := make(map[string]int, len(kernelNames))
	for i := range kernelNames {
		index[kernelNames[i].Kernel] = i
	}
	return index
}()

func known(kernel string, direction Direction, reason, since string) Name {
	return Name{Kernel: kernel, Direction: direction, Reason: reason, Since: since, Known: true}
}

// KernelNames returns the counters that this package knows, in the order in
// which the kernel prints them. Available from: the 28 up to XfrmAcquireError in
// every kernel that was tested (5.10 and later), the others as their Since says.
func KernelNames() []Name {
	return append([]Name(nil), kernelNames[:]...)
}
