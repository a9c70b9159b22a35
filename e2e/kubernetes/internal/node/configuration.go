// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Its default is in the machine's file system.
const volumePlugins = "/var/lib/kubelet/volume-plugins"

const kubelet = `
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: { x509: { clientCAFile: %s } }
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
staticPodPath: ` + StaticPods + `
fileCheckFrequency: 1s
volumePluginDir: ` + volumePlugins + `
# The machine may have either version of cgroups, any amount of swap, and a full disk.
failCgroupV1: false
failSwapOn: false
evictionHard: { memory.available: 1Mi, nodefs.available: 0%%, nodefs.inodesFree: 0%%, imagefs.available: 0%%, imagefs.inodesFree: 0%%, pid.available: 0%% }
imageGCHighThresholdPercent: 100
`

const containerd = `
version = 3
[plugins.'io.containerd.internal.v1.opt']
path = '/var/lib/containerd/opt'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '%s'
[plugins.'io.containerd.cri.v1.runtime']
# A machine may forbid what CAP_SYS_RESOURCE allows.
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/usr/lib/cni']
conf_dir = '` + Directory + `/cni'
`

const cni = `{
  "cniVersion": "1.0.0", "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": "cni0", "isGateway": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "` + podRange + `" }]], "routes": [{ "dst": "0.0.0.0/0" }] }
  }]
}`

// configure writes the configurations that are files.
func (n *Node) configure(sandbox string) (err error) {
	for name, content := range map[string]string{
		"kubelet.yaml":      fmt.Sprintf(kubelet, n.authority.File("ca.crt")),
		"containerd.toml":   fmt.Sprintf(containerd, sandbox),
		"cni/pods.conflist": cni,
	} {
		file := filepath.Join(Directory, name)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o750), os.WriteFile(file, []byte(content), 0o600))
	}
	return errors.Join(err, os.Mkdir(StaticPods, 0o750))
}
