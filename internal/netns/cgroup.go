// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// owner is what a process belongs to, as far as its cgroup tells.
type owner struct {
	podUID, containerID, containerName, unit string
}

// namespace returns the labels that the owner gives a namespace: the innermost
// lasting identity alone.
func (o owner) namespace() Namespace {
	switch {
	case o.podUID != "":
		return Namespace{PodUID: o.podUID}
	case o.containerID != "":
		return Namespace{ContainerID: o.containerID}
	case o.containerName != "":
		return Namespace{ContainerName: o.containerName}
	default:
		return Namespace{Unit: o.unit}
	}
}

// parseCgroup returns the owner named in a /proc/PID/cgroup (cgroups(7)): lines of
// "hierarchy:controllers:path", or one line "0::path" in version 2. It looks at
// each element of the paths, and the innermost counts, so that it does not matter
// in which cgroup the runtime itself runs, nor from which cgroup namespace the path
// is seen ("/../...").
//
// The names, and who creates them:
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
//	/ecs/<task>/<task>-<number>             Amazon ECS on Fargate and managed instances: the whole element is the ID
//	lxc.payload.<name>, lxc/<name>          LXC, Incus, Proxmox (src/lxc/cgroups/cgfsng.c)
//	machine-<name>.scope                    systemd-nspawn, systemd-machined; the name is escaped as in unit names
//	<allocation>.<task>.scope               Nomad
//	<name>.service                          a systemd unit
//
// <ID> has 64 hexadecimal digits. The monitors crio-conmon-<ID>.scope and
// libpod-conmon-<ID>.scope are not the container.
//
// Below user@UID.service a user creates cgroups of any name: nothing there names a
// pod or a unit.
func parseCgroup(content []byte) owner {
	var found owner
	for line := range bytes.Lines(content) {
		fields := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(":"), 3)
		if len(fields) != 3 {
			continue
		}
		o := ownerOf(string(fields[2]))
		found.podUID = cmp.Or(found.podUID, o.podUID)
		found.containerID = cmp.Or(found.containerID, o.containerID)
		found.containerName = cmp.Or(found.containerName, o.containerName)
		found.unit = cmp.Or(found.unit, o.unit)
	}
	return found
}

func ownerOf(path string) owner {
	var o owner
	byUser := false
	before := [2]string{}
	for element := range strings.SplitSeq(path, "/") {
		if uid := podUIDOf(element); uid != "" && !byUser {
			o = owner{podUID: uid} // what is outside of the pod is not the pod's
		}
		if id := containerIDOf(element, before); id != "" {
			o.containerID, o.containerName, o.unit = id, "", ""
		}
		if name := containerNameOf(element, before[1]); name != "" {
			o.containerID, o.containerName, o.unit = "", ValidUTF8(name), ""
		}
		if strings.HasPrefix(element, "user@") && strings.HasSuffix(element, ".service") {
			byUser = true
		}
		if strings.HasSuffix(element, ".service") && !byUser && o == (owner{}) {
			// systemd puts "_" before a name that the cgroup file system uses itself
			// (cg_escape). The rest is the unit's name as D-Bus and systemctl have it,
			// with \x2d for a dash.
			o.unit = ValidUTF8(strings.TrimPrefix(element, "_"))
		}
		before = [2]string{before[1], element}
	}
	return o
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
	if podUID.MatchString(uid) {
		return uid
	}
	return ""
}

const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`

var (
	// The kubelet uses the second form for pods that it reads from files.
	podUID      = regexp.MustCompile(`^(` + uuid + `|[0-9a-f]{32})$`)
	containerID = regexp.MustCompile(`^(?:.*[-:])?([0-9a-f]{64})(?:\.scope)?$`)
	fargateTask = regexp.MustCompile(`^[0-9a-f]{32}$`)
	fargateID   = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]+$`)
	nomadTask   = regexp.MustCompile(`^(` + uuid + `\.[^/]+)\.scope$`)
	escaped     = regexp.MustCompile(`\\x[0-9a-f]{2}`)
)

// containerIDOf returns the ID in the name of a container's cgroup, or "". before
// holds the two elements above it.
func containerIDOf(element string, before [2]string) string {
	if id := containerID.FindStringSubmatch(element); id != nil && !strings.Contains(element, "conmon") {
		return id[1]
	}
	if before[0] == "ecs" && fargateTask.MatchString(before[1]) && fargateID.MatchString(element) {
		return element
	}
	return ""
}

// containerNameOf returns the name in the name of a container's cgroup, or "".
func containerNameOf(element, before string) string {
	if name, found := strings.CutPrefix(element, "lxc.payload."); found {
		return name
	}
	if before == "lxc" {
		return element
	}
	if name, found := strings.CutPrefix(element, "machine-"); found && strings.HasSuffix(name, ".scope") && containerID.FindString(element) == "" {
		return unescape(strings.TrimSuffix(name, ".scope"))
	}
	if task := nomadTask.FindStringSubmatch(element); task != nil {
		return task[1]
	}
	return ""
}

// unescape undoes the escaping of systemd's unit names, \x2d for a dash
// (systemd.unit(5)).
func unescape(name string) string {
	return escaped.ReplaceAllStringFunc(name, func(s string) string {
		b, _ := strconv.ParseUint(s[2:], 16, 8) // it matched
		return string([]byte{byte(b)})
	})
}
