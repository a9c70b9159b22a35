package netns

import (
	"bytes"
	"strings"
)

// parseCgroup takes the pod and the container out of a /proc/PID/cgroup
// (cgroups(7)): lines of "hierarchy:controllers:path", with one line "0::path"
// in version 2. Names are looked for in each element of the paths, the innermost
// counts, so that it does not matter in which cgroup the runtime itself lives,
// nor whether the path is seen from another cgroup namespace ("/../...").
//
// The names, and who gives them:
//
//	pod<UID>                                kubelet, cgroupfs driver (pkg/kubelet/cm/pod_container_manager_linux.go)
//	kubepods-burstable-pod<UID_>.slice      kubelet, systemd driver (pkg/kubelet/cm/cgroup_manager_linux.go, "-" escaped as "_")
//	<ID>                                    Docker and containerd, cgroupfs driver: /docker/<ID>, /default/<ID>
//	docker-<ID>.scope                       Docker, systemd driver (daemon/oci_linux.go)
//	cri-containerd-<ID>.scope               containerd, systemd driver (pkg/cri/server/helpers.go)
//	<slice>:cri-containerd:<ID>             containerd, systemd path given to a runtime with the cgroupfs driver
//	nerdctl-<ID>.scope                      nerdctl
//	crio-<ID>, crio-<ID>.scope              CRI-O (internal/config/cgmgr)
//	libpod-<ID>, libpod-<ID>.scope          podman (libpod/container_internal_linux.go)
//
// <ID> has 64 hexadecimal digits. The monitors crio-conmon-<ID>.scope and
// libpod-conmon-<ID>.scope are not the container.
func parseCgroup(content []byte) (podUID, containerID string) {
	for line := range bytes.Lines(content) {
		fields := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(":"), 3)
		if len(fields) != 3 {
			continue
		}
		var pod, container string
		for element := range strings.SplitSeq(string(fields[2]), "/") {
			if uid := podUIDOf(element); uid != "" {
				// What was outside of the pod is not the pod's container.
				pod, container = uid, ""
			}
			if id := containerIDOf(element); id != "" {
				container = id
			}
		}
		if podUID == "" {
			podUID = pod
		}
		if containerID == "" {
			containerID = container
		}
	}
	return podUID, containerID
}

// podUIDOf returns the UID in the name of a pod's cgroup, with dashes, or "".
func podUIDOf(element string) string {
	// With the systemd path in a cgroupfs name the slice comes first.
	element, _, _ = strings.Cut(element, ":")
	element = strings.TrimSuffix(element, ".slice")
	i := strings.LastIndex(element, "pod")
	if i < 0 || i > 0 && element[i-1] != '-' {
		return ""
	}
	uid := strings.ReplaceAll(element[i+len("pod"):], "_", "-")
	if isUUID(uid) || len(uid) == 32 && isHex(uid) {
		// The second form is that of pods that the kubelet reads from files.
		return uid
	}
	return ""
}

// containerIDOf returns the ID in the name of a container's cgroup, or "".
func containerIDOf(element string) string {
	const digits = 64
	element = strings.TrimSuffix(element, ".scope")
	if len(element) < digits {
		return ""
	}
	prefix, id := element[:len(element)-digits], element[len(element)-digits:]
	if !isHex(id) || strings.Contains(prefix, "conmon") {
		return ""
	}
	if prefix == "" || strings.HasSuffix(prefix, "-") || strings.HasSuffix(prefix, ":") {
		return id
	}
	return ""
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHexDigit(c) {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !isHexDigit(c) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
