package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are what `kubectl apply -k` would send.
type manifests struct {
	namespace corev1.Namespace
	account   corev1.ServiceAccount
	daemonSet appsv1.DaemonSet
}

// kustomize builds a folder of distribution/kubernetes, and decodes each object as
// the API server would: a field that it does not know is an error.
func kustomize(t *testing.T, folder string) (m manifests) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "distribution", "kubernetes", folder))
	require.NoError(t, err)
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
	require.NoError(t, err)
	require.Equal(t, 3, objects.Size())
	for _, object := range objects.Resources() {
		into, known := map[string]any{
			"v1/Namespace": &m.namespace, "v1/ServiceAccount": &m.account, "apps/v1/DaemonSet": &m.daemonSet,
		}[object.GetApiVersion()+"/"+object.GetKind()]
		require.True(t, known, "%s", object.CurId())
		text, err := object.AsYAML()
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(text, into), "%s", text)
	}
	return m
}

// Every way to deploy has exactly the rights that it needs.
func TestKubernetesManifests(t *testing.T) {
	for _, folder := range []string{"base", "overlays/host", "overlays/processes", "overlays/named"} {
		t.Run(folder, func(t *testing.T) {
			m := kustomize(t, folder)
			named := folder == "overlays/named"

			assert.Equal(t, "xfrm", m.namespace.Name)
			assert.Equal(t, "xfrm", m.account.Namespace)
			assert.Equal(t, "xfrm", m.daemonSet.Namespace)
			assert.False(t, *m.account.AutomountServiceAccountToken)

			template := m.daemonSet.Spec.Template
			assert.Equal(t, map[string]string{"app.kubernetes.io/name": "otelcol-xfrm"}, m.daemonSet.Spec.Selector.MatchLabels)
			assert.Subset(t, template.Labels, m.daemonSet.Spec.Selector.MatchLabels)
			pod := template.Spec
			assert.Equal(t, m.account.Name, pod.ServiceAccountName)
			assert.False(t, *pod.AutomountServiceAccountToken, "no token")
			assert.False(t, pod.HostNetwork || pod.HostPID || pod.HostIPC, "no namespace of the node's")
			assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			assert.Contains(t, pod.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists}, "on every node")

			require.Len(t, pod.Containers, 1)
			container := pod.Containers[0]
			security := container.SecurityContext
			assert.Nil(t, security.Privileged)
			assert.False(t, *security.AllowPrivilegeEscalation)
			assert.True(t, *security.ReadOnlyRootFilesystem)
			assert.Equal(t, []corev1.Capability{"ALL"}, security.Capabilities.Drop)
			if named {
				assert.Equal(t, []corev1.Capability{"SYS_ADMIN"}, security.Capabilities.Add)
				assert.Zero(t, *pod.SecurityContext.RunAsUser)
				assert.Nil(t, pod.SecurityContext.RunAsNonRoot)
			} else {
				assert.Empty(t, security.Capabilities.Add)
				assert.NotZero(t, *pod.SecurityContext.RunAsUser)
				assert.True(t, *pod.SecurityContext.RunAsNonRoot)
			}

			require.Len(t, container.VolumeMounts, 1)
			mount := container.VolumeMounts[0]
			assert.True(t, mount.ReadOnly)
			assert.Equal(t, "/hostfs", mount.MountPath)
			assert.Equal(t, corev1.MountPropagationHostToContainer, *mount.MountPropagation, "later mounts are seen")
			require.Len(t, pod.Volumes, 1)
			assert.Equal(t, mount.Name, pod.Volumes[0].Name)
			assert.Equal(t, "/", pod.Volumes[0].HostPath.Path)

			ports := map[string]int32{}
			for _, port := range container.Ports {
				ports[port.Name] = port.ContainerPort
			}
			assert.Equal(t, map[string]int32{"metrics": 9464, "health": 13133}, ports)
			assert.Equal(t, "9464", template.Annotations["prometheus.io/port"])
			assert.Equal(t, "health", container.LivenessProbe.HTTPGet.Port.StrVal)
			assert.Equal(t, "health", container.StartupProbe.HTTPGet.Port.StrVal)
			assert.Greater(t, container.Resources.Limits.Memory().Value(), int64(256<<20), "more than the memory_limiter's")
		})
	}
}

// podCgroup makes a cgroup as kubelet's systemd driver names it.
func podCgroup(t *testing.T, uid string) (procs string) {
	t.Helper()
	return filepath.Join(newCgroup(t, "xfrm-e2e-kubepods-pod"+strings.ReplaceAll(uid, "-", "_")+".slice"), "cgroup.procs")
}

// The collector, with the arguments, the environment and the rights that each way
// to deploy gives it, shows what that way is for. This machine is the node.
func TestKubernetesModes(t *testing.T) {
	requireRoot(t)
	const uid = "8dbc5577-d0e2-4706-8787-57d52c03ddf2"
	own, far := pair(t)
	block(own, thereAddress)
	own.send(thereAddress, 3)
	block(far, hereAddress)
	far.send(hereAddress, 5)
	// As a CNI names a pod's.
	pod, site := newNamedNamespace(t, fmt.Sprintf("cni-xfrm-e2e-%d", os.Getpid())), newNamespace(t)
	join(pod, site)
	block(pod, thereAddress)
	pod.send(thereAddress, 7)
	block(site, hereAddress)
	site.send(hereAddress, 9)
	cgroup := podCgroup(t, uid)
	require.NoError(t, os.WriteFile(cgroup, []byte(strconv.Itoa(pod.sleep())), 0))

	const reason = " outbound/pol_block"
	inPod, inSite := "k8s_pod_uid="+uid+reason, "netns_name="+site.name+reason
	inNamedPod := "netns_name=" + pod.name + " " + inPod
	for folder, want := range map[string]struct {
		has, lacks []string
		zeros      bool
	}{
		"host":      {lacks: []string{inPod, inSite, inNamedPod}, zeros: true},
		"processes": {has: []string{inPod}, lacks: []string{inSite, inNamedPod}},
		"named":     {has: []string{inPod, inSite}, lacks: []string{inNamedPod}},
	} {
		t.Run(folder, func(t *testing.T) {
			spec := kustomize(t, filepath.Join("overlays", folder)).daemonSet.Spec.Template.Spec
			container := spec.Containers[0]
			bounding := "-all"
			for _, capability := range container.SecurityContext.Capabilities.Add {
				bounding += ",+" + strings.ToLower(string(capability))
			}
			command := []string{
				"setpriv", fmt.Sprintf("--reuid=%d", *spec.SecurityContext.RunAsUser), "--regid=65534",
				"--clear-groups", "--no-new-privs", "--bounding-set=" + bounding, publicProgram(t),
			}
			for _, arg := range container.Args {
				if file, ok := strings.CutPrefix(arg, "/etc/otelcol-xfrm/"); ok {
					content, err := os.ReadFile(shipped(file))
					require.NoError(t, err)
					arg = public(t, file, string(content))
				}
				command = append(command, arg)
			}
			cmd := own.command(append(command, "--config", "yaml:receivers::xfrm::initial_delay: 0s")...)
			cmd.Env = append(os.Environ(), "ROOT_PATH=/", "HOST_NAME=node-1")
			for _, variable := range container.Env {
				if variable.ValueFrom == nil {
					cmd.Env = append(cmd.Env, variable.Name+"="+variable.Value)
				} else {
					assert.Equal(t, "spec.nodeName", variable.ValueFrom.FieldRef.FieldPath)
					assert.Equal(t, "HOST_NAME", variable.Name)
				}
			}
			c := run(t, cmd)
			got := own.scrape(c, "netns_name", "k8s_pod_uid", "container_id", "process_pid")

			for _, key := range want.has {
				assert.Contains(t, got, key)
			}
			for _, key := range want.lacks {
				assert.NotContains(t, got, key)
			}
			node := 0
			for key, value := range got {
				if !strings.Contains(key, "=") {
					node++
					assert.True(t, want.zeros || value != 0, key)
				}
			}
			if want.zeros {
				assert.Equal(t, len(readStat(t)), node, "all of the node's counters")
				assert.Len(t, got, node, "and no others")
			}
			health, err := own.client().Get("http://127.0.0.1:13133/")
			require.NoError(t, err)
			require.NoError(t, health.Body.Close())
			assert.Equal(t, http.StatusOK, health.StatusCode)
			c.interrupt()
			assert.NotContains(t, c.output.String(), "\twarn\t", "nothing to complain about")
			assert.NotContains(t, c.output.String(), "\terror\t")
		})
	}
}
