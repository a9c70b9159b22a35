// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are what `kubectl apply -k` would send.
type manifests struct {
	namespace corev1.Namespace
	account   corev1.ServiceAccount
	daemonSet appsv1.DaemonSet
	// Those of some overlays and components.
	configMaps []corev1.ConfigMap
	role       rbacv1.ClusterRole
	binding    rbacv1.ClusterRoleBinding
	rule       monitoringv1.PrometheusRule
}

// kustomize builds a folder of distribution/kubernetes, and decodes each object as
// the API server would: a field that it does not know is an error.
func kustomize(t *testing.T, folder string) manifests {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "distribution", "kubernetes", folder))
	require.NoError(t, err)
	return build(t, path)
}

func build(t *testing.T, path string) (m manifests) {
	t.Helper()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
	require.NoError(t, err)
	require.GreaterOrEqual(t, objects.Size(), 3)
	for _, object := range objects.Resources() {
		var configMap corev1.ConfigMap
		into, known := map[string]any{
			"v1/Namespace": &m.namespace, "v1/ServiceAccount": &m.account, "apps/v1/DaemonSet": &m.daemonSet,
			"v1/ConfigMap": &configMap, "rbac.authorization.k8s.io/v1/ClusterRole": &m.role,
			"rbac.authorization.k8s.io/v1/ClusterRoleBinding": &m.binding,
			"monitoring.coreos.com/v1/PrometheusRule":         &m.rule,
		}[object.GetApiVersion()+"/"+object.GetKind()]
		require.True(t, known, "%s", object.CurId())
		text, err := object.AsYAML()
		require.NoError(t, err)
		require.NoError(t, yaml.UnmarshalStrict(text, into), "%s", text)
		if object.GetKind() == "ConfigMap" {
			m.configMaps = append(m.configMaps, configMap)
		}
	}
	return m
}

// Every way to deploy has exactly the rights that it needs.
func TestKubernetesManifests(t *testing.T) {
	for _, folder := range []string{"base", "overlays/host", "overlays/processes", "overlays/named", "overlays/names", "overlays/gateway", "overlays/tunnels", "overlays/tunnels-pods", "overlays/causes"} {
		t.Run(folder, func(t *testing.T) {
			m := kustomize(t, folder)
			names, gateway := folder == "overlays/names", folder == "overlays/gateway"
			hostNetwork := folder == "overlays/tunnels" || folder == "overlays/causes"
			capabilities := map[string][]corev1.Capability{
				"overlays/named":        {"SYS_ADMIN"},
				"overlays/tunnels":      {"NET_ADMIN"},
				"overlays/tunnels-pods": {"NET_ADMIN", "SYS_ADMIN", "SYS_PTRACE"},
				"overlays/causes":       {"AUDIT_READ", "NET_ADMIN"},
			}[folder]

			assert.Equal(t, "xfrm", m.namespace.Name)
			assert.Equal(t, "xfrm", m.account.Namespace)
			assert.Equal(t, "xfrm", m.daemonSet.Namespace)
			assert.Equal(t, names, *m.account.AutomountServiceAccountToken)

			template := m.daemonSet.Spec.Template
			assert.Equal(t, map[string]string{"app.kubernetes.io/name": "otelcol-xfrm"}, m.daemonSet.Spec.Selector.MatchLabels)
			assert.Subset(t, template.Labels, m.daemonSet.Spec.Selector.MatchLabels)
			pod := template.Spec
			assert.Equal(t, m.account.Name, pod.ServiceAccountName)
			assert.Equal(t, names, *pod.AutomountServiceAccountToken, "a token only where it is used")
			assert.False(t, pod.HostPID || pod.HostIPC, "no namespace of the node's")
			assert.Equal(t, hostNetwork, pod.HostNetwork, "the network only where it saves other rights")
			assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
			assert.Contains(t, pod.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists}, "on every node")
			assert.Empty(t, pod.NodeSelector)
			for kind, node := range map[string]struct {
				labels k8slabels.Set
				runs   bool
			}{
				"a machine":            {k8slabels.Set{"kubernetes.io/os": "linux"}, true},
				"a machine of EKS":     {k8slabels.Set{"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "ec2"}, true},
				"Windows":              {k8slabels.Set{"kubernetes.io/os": "windows"}, false},
				"virtual-kubelet":      {k8slabels.Set{"kubernetes.io/os": "linux", "type": "virtual-kubelet"}, false},
				"Fargate":              {k8slabels.Set{"kubernetes.io/os": "linux", "eks.amazonaws.com/compute-type": "fargate"}, false},
				"a label of one's own": {k8slabels.Set{"kubernetes.io/os": "linux", "type": "storage"}, true},
			} {
				assert.Equal(t, node.runs, schedules(t, pod, node.labels), kind)
			}

			require.Len(t, pod.Containers, 1)
			container := pod.Containers[0]
			security := container.SecurityContext
			assert.Nil(t, security.Privileged)
			assert.False(t, *security.AllowPrivilegeEscalation)
			assert.True(t, *security.ReadOnlyRootFilesystem)
			assert.Equal(t, []corev1.Capability{"ALL"}, security.Capabilities.Drop)
			assert.Equal(t, capabilities, security.Capabilities.Add)
			if capabilities != nil {
				assert.Zero(t, *pod.SecurityContext.RunAsUser)
				assert.Nil(t, pod.SecurityContext.RunAsNonRoot)
			} else {
				assert.NotZero(t, *pod.SecurityContext.RunAsUser)
				assert.True(t, *pod.SecurityContext.RunAsNonRoot)
			}

			mounts := 1
			switch {
			case names:
				mounts = 2
			case gateway:
				mounts = 3
				assert.Equal(t, *pod.SecurityContext.RunAsGroup, *pod.SecurityContext.FSGroup, "writes the queue, reads the key")
			case hostNetwork:
				mounts = 0
			}
			require.Len(t, container.VolumeMounts, mounts)
			require.Len(t, pod.Volumes, mounts)
			if mounts > 0 {
				mount := container.VolumeMounts[0]
				assert.True(t, mount.ReadOnly)
				assert.Equal(t, "/hostfs", mount.MountPath)
				assert.Equal(t, corev1.MountPropagationHostToContainer, *mount.MountPropagation, "later mounts are seen")
				assert.Equal(t, mount.Name, pod.Volumes[0].Name)
				assert.Equal(t, "/", pod.Volumes[0].HostPath.Path)
			}
			// AppArmor forbids by default what CAP_SYS_PTRACE allows.
			profile := pod.SecurityContext.AppArmorProfile
			assert.Equal(t, slices.Contains(capabilities, "SYS_PTRACE"), profile != nil && profile.Type == corev1.AppArmorProfileTypeUnconfined)

			ports := map[string]int32{}
			for _, port := range container.Ports {
				ports[port.Name] = port.ContainerPort
			}
			assert.Equal(t, map[string]int32{"metrics": 9464, "health": 13133}, ports)
			assert.Equal(t, "9464", template.Annotations["prometheus.io/port"])
			assert.Equal(t, strconv.FormatBool(!gateway), template.Annotations["prometheus.io/scrape"])
			assert.Equal(t, "health", container.LivenessProbe.HTTPGet.Port.StrVal)
			assert.Equal(t, "health", container.StartupProbe.HTTPGet.Port.StrVal)
			assert.Greater(t, container.Resources.Limits.Memory().Value(), int64(256<<20), "more than the memory_limiter's")
		})
	}
}

// The overlay for a gateway gives to-gateway.yaml what it needs: the files of the Secret, a
// place for the queue that can be written, and the names of the node and of the gateway.
func TestKubernetesGateway(t *testing.T) {
	spec := kustomize(t, filepath.Join("overlays", "gateway")).daemonSet.Spec.Template.Spec
	container := spec.Containers[0]
	var args, environment []string
	for _, arg := range container.Args {
		if file, ok := strings.CutPrefix(arg, "/etc/otelcol-xfrm/"); ok {
			arg = shipped(file)
		}
		args = append(args, arg)
	}
	for _, variable := range container.Env {
		if variable.Name == "HOST_NAME" {
			variable.Value = "node-1"
		}
		environment = append(environment, variable.Name+"="+variable.Value)
	}
	got, err := decoded(t, args, environment)
	require.NoError(t, err)
	mounts := map[string]corev1.VolumeMount{}
	for _, mount := range container.VolumeMounts {
		mounts[mount.Name] = mount
	}
	for _, volume := range spec.Volumes {
		switch mount := mounts[volume.Name]; volume.Name {
		case "tls":
			assert.Equal(t, "otelcol-xfrm-tls", volume.Secret.SecretName)
			for field, file := range map[string]string{"ca_file": "ca.crt", "cert_file": "tls.crt", "key_file": "tls.key"} {
				assert.Equal(t, mount.MountPath+"/"+file, got["/exporters/otlp_grpc/tls/"+field])
			}
		case "queue":
			assert.NotNil(t, volume.EmptyDir)
			assert.False(t, mount.ReadOnly)
			assert.Equal(t, mount.MountPath, got["/extensions/file_storage/directory"])
		}
	}
	assert.Equal(t, "gateway.example.com:4317", got["/exporters/otlp_grpc/endpoint"])
	assert.Equal(t, "node-1", got["/processors/resource/attributes/2/value"])
}

// As the overlay for a gateway runs it, the collector reads its key and writes its queue. Both
// belong to root and to the group of fsGroup, as kubelet mounts them. To any other group, they
// are closed.
func TestKubernetesGatewayRuns(t *testing.T) {
	requireRoot(t)
	spec := kustomize(t, filepath.Join("overlays", "gateway")).daemonSet.Spec.Template.Spec
	args := []string{
		"setpriv", fmt.Sprintf("--reuid=%d", *spec.SecurityContext.RunAsUser), fmt.Sprintf("--regid=%d", *spec.SecurityContext.RunAsGroup),
		"--clear-groups", "--no-new-privs", "--bounding-set=-all", publicProgram(t),
	}
	for _, arg := range spec.Containers[0].Args {
		if file, ok := strings.CutPrefix(arg, "/etc/otelcol-xfrm/"); ok {
			arg = public(t, file, readShipped(t, file))
		}
		args = append(args, arg)
	}
	own := newNamespace(t)
	start := func(group int64) (c *process, queue string) {
		queue = filepath.Dir(public(t, "remove", ""))
		require.NoError(t, os.Remove(filepath.Join(queue, "remove")))
		require.NoError(t, os.Chown(queue, 0, int(group)))
		require.NoError(t, os.Chmod(queue, 0o2770))
		cmd := own.command(args...)
		cmd.Env = append(os.Environ(), "ROOT_PATH=/", "HOST_NAME=node-1", "QUEUE="+queue)
		for _, variable := range newAuthority(t).issue("127.0.0.1") {
			name, file, _ := strings.Cut(variable, "=")
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			file = public(t, name, string(content))
			require.NoError(t, os.Chown(file, 0, int(group)))
			require.NoError(t, os.Chmod(file, 0o440))
			cmd.Env = append(cmd.Env, name+"="+file)
		}
		return run(t, cmd), queue
	}

	c, queue := start(*spec.SecurityContext.FSGroup)
	eventually(t, "the collector is healthy, and there is a queue", func() bool {
		files, err := os.ReadDir(queue)
		require.NoError(t, err)
		response, err := own.client().Get("http://127.0.0.1:13133/")
		if err != nil {
			return false
		}
		require.NoError(t, response.Body.Close())
		return response.StatusCode == http.StatusOK && len(files) == 1
	})
	c.interrupt()

	c, _ = start(*spec.SecurityContext.FSGroup - 1)
	eventually(t, "the collector ends", func() bool {
		select {
		case <-c.done:
			return true
		default:
			return false
		}
	})
	require.Error(t, c.err)
	assert.Contains(t, c.output.String(), "permission denied")
}

// The kustomizations that the documentation shows set the image of the overlay they name. The
// last also has a configuration, a gateway and the alerts.
func TestDocumentedKustomizations(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "docs", "kubernetes.md"))
	require.NoError(t, err)
	folder := t.TempDir()
	for _, part := range []string{"distribution/kubernetes", "monitoring"} {
		require.NoError(t, os.CopyFS(filepath.Join(folder, "xfrmreceiver", part), os.DirFS(filepath.Join("..", part))))
	}
	const config = "receivers: {xfrm: {collection_interval: 15s}}\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(config), 0o600))
	var m manifests
	seen := 0
	for _, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
		if block[1] != "kustomization" {
			continue
		}
		seen++
		require.NoError(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(block[2]), 0o600))
		m = build(t, folder)
		assert.Equal(t, "registry.example.com/otelcol-xfrm:0.1.0", m.daemonSet.Spec.Template.Spec.Containers[0].Image)
	}
	require.Equal(t, 2, seen)
	require.Len(t, m.configMaps, 1)
	assert.Equal(t, map[string]string{"config.yaml": config}, m.configMaps[0].Data)
	assert.Equal(t, 1, strings.Count(fmt.Sprint(m.daemonSet.Spec.Template.Spec.Containers[0].Env), "GATEWAY"))
	assert.Contains(t, m.daemonSet.Spec.Template.Spec.Containers[0].Env, corev1.EnvVar{Name: "GATEWAY", Value: "gateway.example.net:4317"})
	assert.NotEmpty(t, m.rule.Spec.Groups)
}

// Every overlay takes every component: the files that the arguments name are mounted, and
// the name of each ConfigMap ends with a hash, so that a change restarts the pods.
func TestKubernetesComponents(t *testing.T) {
	for _, overlay := range []string{"host", "processes", "named", "tunnels", "tunnels-pods", "causes"} {
		t.Run(overlay, func(t *testing.T) {
			folder := t.TempDir()
			require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join("..", "distribution", "kubernetes"))))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte("receivers:\n"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(
				"resources: [overlays/"+overlay+"]\n"+
					"components: [components/gateway, components/names, components/configuration]\n"+
					"configMapGenerator: [{ name: otelcol-xfrm, namespace: xfrm, files: [config.yaml] }]\n"), 0o600))
			m := build(t, folder)
			bare := kustomize(t, filepath.Join("overlays", overlay))
			pod, barePod := m.daemonSet.Spec.Template.Spec, bare.daemonSet.Spec.Template.Spec

			added, ok := strings.CutPrefix(strings.Join(pod.Containers[0].Args, " "), strings.Join(barePod.Containers[0].Args, " "))
			require.True(t, ok, "after those of the overlay")
			assert.Equal(t, " --config /etc/otelcol-xfrm/to-gateway.yaml --config /etc/otelcol-xfrm-names/names.yaml"+
				" --config /etc/otelcol-xfrm-configuration/config.yaml", added)
			assert.Equal(t, barePod.Containers[0].SecurityContext, pod.Containers[0].SecurityContext, "no other rights")
			assert.Equal(t, *barePod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsUser)

			mounts := map[string]string{}
			for _, mount := range pod.Containers[0].VolumeMounts {
				mounts[mount.Name] = mount.MountPath
			}
			assert.Len(t, pod.Volumes, len(mounts))
			require.Len(t, m.configMaps, 2)
			for _, configMap := range m.configMaps {
				assert.Equal(t, "xfrm", configMap.Namespace)
				assert.Regexp(t, `^otelcol-xfrm(-names)?-[a-z0-9]{10}$`, configMap.Name)
				mounted := slices.IndexFunc(pod.Volumes, func(volume corev1.Volume) bool {
					return volume.ConfigMap != nil && volume.ConfigMap.Name == configMap.Name
				})
				if assert.GreaterOrEqual(t, mounted, 0, configMap.Name) {
					for file := range configMap.Data {
						assert.Contains(t, pod.Containers[0].Args, mounts[pod.Volumes[mounted].Name]+"/"+file)
					}
				}
			}
		})
	}
}

// The PodMonitor selects the pods of the DaemonSet by a port that they have, and identifies
// a target by its node: a pod is another after each rollout.
func TestPodMonitor(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "distribution", "kubernetes", "podmonitor.yaml"))
	require.NoError(t, err)
	var monitor monitoringv1.PodMonitor
	require.NoError(t, yaml.UnmarshalStrict(content, &monitor))
	assert.Equal(t, monitoringv1.SchemeGroupVersion.String(), monitor.APIVersion)
	assert.Equal(t, monitoringv1.PodMonitorsKind, monitor.Kind)
	m := kustomize(t, "base")
	assert.Equal(t, m.daemonSet.Namespace, monitor.Namespace)
	assert.Equal(t, m.daemonSet.Spec.Template.Labels, monitor.Spec.Selector.MatchLabels)
	require.Len(t, monitor.Spec.PodMetricsEndpoints, 1)
	endpoint := monitor.Spec.PodMetricsEndpoints[0]
	assert.Equal(t, m.daemonSet.Spec.Template.Spec.Containers[0].Ports[0].Name, *endpoint.Port)
	require.Len(t, endpoint.RelabelConfigs, 2)
	assert.Equal(t, "instance", endpoint.RelabelConfigs[0].TargetLabel)
	assert.Equal(t, []monitoringv1.LabelName{"__meta_kubernetes_pod_node_name"}, endpoint.RelabelConfigs[0].SourceLabels)
	assert.Equal(t, monitoringv1.RelabelConfig{Action: "labeldrop", Regex: "pod"}, endpoint.RelabelConfigs[1])
}

// schedules says whether a node's labels are what a pod requires, as the scheduler does.
func schedules(t *testing.T, pod corev1.PodSpec, node k8slabels.Set) bool {
	t.Helper()
	require.NotNil(t, pod.Affinity)
	for _, term := range pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		all := true
		for _, expression := range term.MatchExpressions {
			operator := map[corev1.NodeSelectorOperator]selection.Operator{
				corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
			}[expression.Operator]
			requirement, err := k8slabels.NewRequirement(expression.Key, operator, expression.Values)
			require.NoError(t, err)
			all = all && requirement.Matches(node)
		}
		if all {
			return true
		}
	}
	return false
}

// podCgroup makes a cgroup as kubelet's systemd driver names it.
func podCgroup(t *testing.T, uid string) (procs string) {
	t.Helper()
	return filepath.Join(newCgroup(t, "xfrm-e2e-kubepods-pod"+strings.ReplaceAll(uid, "-", "_")+".slice"), "cgroup.procs")
}

// nodeWithPod runs a command beside a pod, on a node of its own with a PID 1 whose namespaces
// may be entered. That of this machine can belong to another user namespace.
const nodeWithPod = `mount -t proc proc /proc
nsenter --net=/run/netns/$1 sleep 600 >/dev/null 2>&1 & echo $! >$2
shift 2
"$@" & wait`

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
		// policies are the namespaces whose policies are counted, as far as this test
		// knows their number.
		policies []string
	}{
		"host":         {lacks: []string{inPod, inSite, inNamedPod}, zeros: true},
		"processes":    {has: []string{inPod}, lacks: []string{inSite, inNamedPod}},
		"named":        {has: []string{inPod, inSite}, lacks: []string{inNamedPod}},
		"tunnels":      {lacks: []string{inPod, inSite, inNamedPod}, zeros: true, policies: []string{""}},
		"tunnels-pods": {has: []string{inPod}, lacks: []string{inSite, inNamedPod}, policies: []string{"", "k8s_pod_uid=" + uid + " "}},
		"causes":       {lacks: []string{inPod, inSite, inNamedPod}, zeros: true},
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
			command = append(command, "--config", "yaml:receivers::xfrm::initial_delay: 0s")
			if folder == "tunnels-pods" {
				command = append([]string{
					"unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", nodeWithPod, "sh", pod.name, cgroup,
				}, command...)
			}
			cmd := own.command(command...)
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
			got := own.scrape(c, namespaceLabels...)

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
			if policies := parsePolicies(t, own.serves(c, "xfrm_netns_count"), namespaceLabels...); want.policies == nil {
				assert.Empty(t, policies)
			} else {
				for _, of := range want.policies {
					hasPolicies(t, policies, of, 0, 1, 0)
				}
			}
			health, err := own.client().Get("http://127.0.0.1:13133/")
			require.NoError(t, err)
			require.NoError(t, health.Body.Close())
			assert.Equal(t, http.StatusOK, health.StatusCode)
			if folder == "tunnels-pods" {
				c.kill() // a signal would reach unshare alone
			} else {
				c.interrupt()
			}
			assert.NotContains(t, c.output.String(), "\twarn\t", "nothing to complain about")
			if folder == "causes" { // own is not the initial network namespace
				assert.Equal(t, 1, strings.Count(c.output.String(), notInitial))
				assert.Equal(t, 1, strings.Count(c.output.String(), "\terror\t"))
			} else {
				assert.NotContains(t, c.output.String(), "\terror\t")
			}
		})
	}
}
