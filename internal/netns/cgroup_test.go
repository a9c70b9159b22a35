package netns

import (
	"strings"
	"testing"

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
			pod, container := parseCgroup([]byte(tt.content))
			assert.Equal(t, tt.pod, pod, "pod")
			assert.Equal(t, tt.container, container, "container")
		})
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add([]byte("0::/kubepods.slice/kubepods-pod8dbc5577_d0e2_4706_8787_57d52c03ddf2.slice/crio-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope\n"))
	f.Add([]byte("12:pids:/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n0::/\n"))
	f.Add([]byte("0::/system.slice/a.slice:cri-containerd:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		pod, container := parseCgroup(content)
		if pod != "" && !isUUID(pod) && (len(pod) != 32 || !isHex(pod)) {
			t.Fatalf("pod %q", pod)
		}
		if container != "" && (len(container) != 64 || !isHex(container)) {
			t.Fatalf("container %q", container)
		}
	})
}
