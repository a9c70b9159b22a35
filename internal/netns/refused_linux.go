// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// One errno has several causes. The functions here find out which it is where the
// system tells, and otherwise list the candidates, the most likely one first.

// whySetnsRefused explains EPERM of setns.
func whySetnsRefused() error {
	status, _ := os.ReadFile("/proc/thread-self/status")
	return setnsRefused(status)
}

// setnsRefused explains EPERM of setns to a process with this /proc/PID/status.
func setnsRefused(status []byte) error {
	if !hasSysAdmin(status) {
		return ErrNotPermitted
	}
	const userns = "the namespace belongs to another user namespace"
	if statusField(status, "Seccomp") == "2" {
		return fmt.Errorf("%w: this process runs under a seccomp filter, which may forbid setns "+
			"(RestrictNamespaces= or SystemCallFilter= of systemd, a container's seccomp profile); otherwise "+userns, ErrRefused)
	}
	return fmt.Errorf("%w: "+userns+", or a security module such as SELinux or AppArmor forbids it", ErrRefused)
}

// whyOpenRefused explains EACCES of opening /proc/PID/ns/net.
func whyOpenRefused() error {
	status, _ := os.ReadFile("/proc/thread-self/status")
	return openRefused(status)
}

// openRefused explains EACCES of opening /proc/PID/ns/net to a process with this
// /proc/PID/status.
func openRefused(status []byte) error {
	if !hasCapability(status, unix.CAP_SYS_PTRACE) || !hasSysAdmin(status) {
		return ErrSocketNotPermitted
	}
	return fmt.Errorf("%w: the process is in another user namespace, or a security module such as AppArmor, SELinux or Yama forbids it",
		ErrSocketRefused)
}

// hasSysAdmin reports whether the effective capabilities in a /proc/PID/status
// contain CAP_SYS_ADMIN.
func hasSysAdmin(status []byte) bool { return hasCapability(status, unix.CAP_SYS_ADMIN) }

func hasCapability(status []byte, capability int) bool {
	effective, err := strconv.ParseUint(statusField(status, "CapEff"), 16, 64)
	return err == nil && effective&(1<<capability) != 0
}

// statusField returns a field of a /proc/PID/status (proc_pid_status(5)).
func statusField(status []byte, name string) string {
	for line := range bytes.Lines(status) {
		if value, found := strings.CutPrefix(string(line), name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// whyHidden explains why processes of others cannot be read.
func (h *host) whyHidden() string {
	const hidepid = "mount proc without hidepid, or give the collector the group of its gid option"
	const selinux = "SELinux forbids it (see the audit log, ausearch -m avc)"
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	switch {
	case err == nil && hasHidePID(mounts, h.procPath("")):
		return "it is mounted with hidepid; " + hidepid
	case isEnforcing():
		return selinux
	default:
		return "it is mounted with hidepid (" + hidepid + "), or a security module such as SELinux or AppArmor forbids it"
	}
}

func isEnforcing() bool {
	enforce, err := os.ReadFile("/sys/fs/selinux/enforce")
	return err == nil && strings.TrimSpace(string(enforce)) == "1"
}

// hasHidePID reports whether a /proc/self/mountinfo (proc_pid_mountinfo(5)) says
// that the proc at the mount point is mounted with hidepid. Of several mounts at
// one place the last is on top.
func hasHidePID(mountinfo []byte, mountPoint string) bool {
	found := false
	for line := range bytes.Lines(mountinfo) {
		before, after, _ := strings.Cut(string(line), " - ")
		fields, options := strings.Fields(before), strings.Fields(after)
		if len(fields) < 5 || len(options) < 3 || fields[4] != mountPoint || options[0] != "proc" {
			continue
		}
		found = false
		for option := range strings.SplitSeq(options[2], ",") {
			value, is := strings.CutPrefix(option, "hidepid=")
			found = found || is && value != "0" && value != "off"
		}
	}
	return found
}
