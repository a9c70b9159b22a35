// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestParseCgroup(t *testing.T) {
	const (
		uid   = "8dbc5577-d0e2-4706-8787-57d52c03ddf2"
		uid_  = "8dbc5577_d0e2_4706_8787_57d52c03ddf2"
		id    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		other = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
		fileU = "0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6"
	)
	for name, tt := range map[string]struct{ content, pod, container string }{
		"host v2":                      {"0::/user.slice/user-0.slice/session-1.scope\n", "", ""},
		"host v2 root":                 {"0::/\n", "", ""},
		"systemd service":              {"0::/system.slice/strongswan.service\n", "", ""},
		"systemd-nspawn":               {"0::/machine.slice/systemd-nspawn@deb.service/payload\n", "", ""},
		"Docker cgroupfs v1":           {"12:pids:/docker/" + id + "\n11:cpu,cpuacct:/docker/" + id + "\n0::/\n", "", id},
		"Docker systemd v1":            {"1:name=systemd:/system.slice/docker-" + id + ".scope\n", "", id},
		"Docker cgroupfs v2":           {"0::/docker/" + id + "\n", "", id},
		"Docker systemd v2":            {"0::/system.slice/docker-" + id + ".scope\n", "", id},
		"Docker rootless":              {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope\n", "", id},
		"Docker with systemd inside":   {"0::/docker/" + id + "/init.scope\n", "", id},
		"containerd ctr":               {"0::/default/" + id + "\n", "", id},
		"nerdctl systemd":              {"0::/system.slice/nerdctl-" + id + ".scope\n", "", id},
		"podman systemd":               {"0::/machine.slice/libpod-" + id + ".scope/container\n", "", id},
		"podman rootless":              {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope\n", "", id},
		"podman pod":                   {"0::/machine.slice/machine-libpod_pod_" + other + ".slice/libpod-" + id + ".scope\n", "", id},
		"podman cgroupfs":              {"0::/libpod_parent/libpod-" + id + "\n", "", id},
		"podman's monitor":             {"0::/machine.slice/libpod-conmon-" + id + ".scope\n", "", ""},
		"kubelet cgroupfs v1":          {"11:memory:/kubepods/burstable/pod" + uid + "/" + id + "\n", uid, id},
		"kubelet cgroupfs guaranteed":  {"0::/kubepods/pod" + uid + "/" + id + "\n", uid, id},
		"kubelet systemd, containerd":  {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uid_ + ".slice/cri-containerd-" + id + ".scope\n", uid, id},
		"kubelet systemd, CRI-O":       {"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uid_ + ".slice/crio-" + id + ".scope\n", uid, id},
		"kubelet systemd, CRI-O inner": {"0::/kubepods.slice/kubepods-pod" + uid_ + ".slice/crio-" + id + ".scope/container\n", uid, id},
		"CRI-O's monitor":              {"0::/kubepods.slice/kubepods-pod" + uid_ + ".slice/crio-conmon-" + id + ".scope\n", uid, ""},
		"CRI-O cgroupfs":               {"0::/kubepods/burstable/pod" + uid + "/crio-" + id + "\n", uid, id},
		"kubelet systemd, Docker":      {"0::/kubepods.slice/kubepods-pod" + uid_ + ".slice/docker-" + id + ".scope\n", uid, id},
		"systemd path, cgroupfs":       {"0::/system.slice/containerd.service/kubepods-burstable-pod" + uid_ + ".slice:cri-containerd:" + id + "\n", uid, id},
		"pod from a file":              {"0::/kubepods/burstable/pod" + fileU + "/" + id + "\n", fileU, id},
		"kind":                         {"0::/docker/" + other + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + uid_ + ".slice/cri-containerd-" + id + ".scope\n", uid, id},
		"kind, the pod's own cgroup":   {"0::/docker/" + other + "/kubelet.slice/kubelet-kubepods-pod" + uid_ + ".slice\n", uid, ""},
		"Docker in Docker":             {"0::/docker/" + other + "/docker/" + id + "\n", "", id},
		"another cgroup namespace":     {"0::/../../kubepods-besteffort-pod" + uid_ + ".slice/cri-containerd-" + id + ".scope\n", uid, id},
		"sibling container":            {"0::/../cri-containerd-" + id + ".scope\n", "", id},
		"relative, no container":       {"0::/../c1\n", "", ""},
		"own cgroup namespace":         {"0::/\n", "", ""},
		"63 digits":                    {"0::/docker/" + id[1:] + "\n", "", ""},
		"65 digits":                    {"0::/docker/0" + id + "\n", "", ""},
		"capitals":                     {"0::/docker/" + strings.ToUpper(id) + "\n", "", ""},
		"a pod in the name":            {"0::/tripod" + uid + "/x\n", "", ""},
		"v1 where one hierarchy lacks it": {
			"3:devices:/\n2:cpu:/kubepods/pod" + uid + "/" + id + "\n", uid, id,
		},
		"colons in the path": {"1:name=a:/x:y:z/docker/" + id + "\n", "", id},
		"no path":            {"0:\n", "", ""},
		"empty":              {"", "", ""},
		"no newline":         {"0::/docker/" + id, "", id},
	} {
		t.Run(name, func(t *testing.T) {
			o := parseCgroup([]byte(tt.content))
			assert.Equal(t, tt.pod, o.podUID, "pod")
			assert.Equal(t, tt.container, o.containerID, "container")
		})
	}
}

// What names a namespace without a pod and without the ID of a container.
func TestParseCgroupNames(t *testing.T) {
	const (
		id    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		task  = "0123456789abcdef0123456789abcdef"
		alloc = "8dbc5577-d0e2-4706-8787-57d52c03ddf2"
	)
	for name, tt := range map[string]struct {
		path string
		want Namespace
	}{
		"LXC":                            {"/lxc.payload.web", Namespace{ContainerName: "web"}},
		"LXC, a service inside":          {"/lxc.payload.web/system.slice/cron.service", Namespace{ContainerName: "web"}},
		"LXC's monitor":                  {"/lxc.monitor.web", Namespace{}},
		"LXC 3":                          {"/lxc/web", Namespace{ContainerName: "web"}},
		"Proxmox":                        {"/lxc/101/ns/init.scope", Namespace{ContainerName: "101"}},
		"LXC of a user":                  {"/user.slice/user-1000.slice/user@1000.service/lxc.payload.web", Namespace{ContainerName: "web"}},
		"Docker in LXC":                  {"/lxc.payload.web/docker/" + id, Namespace{ContainerID: id}},
		"nspawn":                         {"/machine.slice/machine-deb.scope/payload", Namespace{ContainerName: "deb"}},
		"nspawn, escaped":                {`/machine.slice/machine-my\x2dbox.scope`, Namespace{ContainerName: "my-box"}},
		"nspawn, its unit":               {"/machine.slice/systemd-nspawn@deb.service/payload", Namespace{Unit: "systemd-nspawn@deb.service"}},
		"not UTF-8":                      {"/lxc.payload.a\xff", Namespace{ContainerName: `a\xff`}},
		"Fargate":                        {"/ecs/" + task + "/" + task + "-2421876512", Namespace{ContainerID: task + "-2421876512"}},
		"Fargate, not in ecs":            {"/x/" + task + "/" + task + "-2421876512", Namespace{}},
		"Fargate, no task":               {"/ecs/x/" + task + "-2421876512", Namespace{}},
		"ECS on EC2":                     {"/ecs/" + task + "/" + id, Namespace{ContainerID: id}},
		"Nomad":                          {"/nomad.slice/share.slice/" + alloc + ".web.scope", Namespace{ContainerName: alloc + ".web"}},
		"service":                        {"/system.slice/vpn.service", Namespace{Unit: "vpn.service"}},
		"service, as systemctl calls it": {`/system.slice/vpn@a\x2db.service`, Namespace{Unit: `vpn@a\x2db.service`}},
		"service called like a file":     {"/system.slice/_memory.service", Namespace{Unit: "memory.service"}},
		"service, not UTF-8":             {"/system.slice/vpn\xff.service", Namespace{Unit: `vpn\xff.service`}},
		"machine's slice":                {"/machine.slice/machine-web.slice", Namespace{}},
		"machine with an ID":             {"/machine.slice/machine-" + id + ".scope", Namespace{ContainerID: id}},
		"LXC in Docker":                  {"/docker/" + id + "/lxc.payload.web", Namespace{ContainerName: "web"}},
		"service in a slice":             {"/system.slice/system-vpn.slice/vpn@a.service", Namespace{Unit: "vpn@a.service"}},
		"service that delegates":         {"/system.slice/vpn.service/inner.service", Namespace{Unit: "vpn.service"}},
		"session":                        {"/user.slice/user-1000.slice/session-3.scope", Namespace{}},
		"user's manager":                 {"/user.slice/user-1000.slice/user@1000.service/init.scope", Namespace{}},
		"a slice like a user's":          {"/user@x.slice/vpn.service", Namespace{Unit: "vpn.service"}},
		"user's service":                 {"/user.slice/user-1000.slice/user@1000.service/app.slice/vpn.service", Namespace{}},
		"pod forged by a user":           {"/user.slice/user-1000.slice/user@1000.service/kubepods-pod" + alloc + ".slice", Namespace{}},
		"pod forged by a user, slice":    {"/user.slice/user@1000.service/kubepods/pod" + alloc + "/" + id, Namespace{ContainerID: id}},
		"k3s":                            {"/system.slice/k3s.service/kubepods/pod" + alloc + "/" + id, Namespace{PodUID: alloc}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, parseCgroup([]byte("0::"+tt.path+"\n")).namespace())
		})
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add([]byte("0::/kubepods.slice/kubepods-pod8dbc5577_d0e2_4706_8787_57d52c03ddf2.slice/crio-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope\n"))
	f.Add([]byte("12:pids:/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n0::/\n"))
	f.Add([]byte("0::/system.slice/a.slice:cri-containerd:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		o := parseCgroup(content)
		if o.podUID != "" && !podUID.MatchString(o.podUID) {
			t.Fatalf("pod %q", o.podUID)
		}
		if o.containerID != "" && !containerID.MatchString(o.containerID) && !fargateID.MatchString(o.containerID) {
			t.Fatalf("container %q", o.containerID)
		}
		for _, text := range []string{o.containerName, o.unit} {
			if !utf8.ValidString(text) {
				t.Fatalf("%q is not UTF-8", text)
			}
		}
	})
}
