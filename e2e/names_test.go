// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ocbModules are the modules that the documentation adds to a manifest of the
// OpenTelemetry Collector Builder, with the kind of each, as "processors".
func ocbModules(t *testing.T, pages ...string) map[string]string {
	t.Helper()
	modules := map[string]string{}
	for _, page := range pages {
		content, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range yamlBlock.FindAllStringSubmatch(string(content), -1) {
			if block[1] != "ocb" {
				continue
			}
			kind := ""
			for line := range strings.Lines(block[2]) {
				if name, ok := strings.CutSuffix(line, ":\n"); ok {
					kind = strings.TrimSpace(name)
				}
				if m := regexp.MustCompile(`- gomod: (\S+ \S+)`).FindStringSubmatch(line); m != nil {
					modules[m[1]] = kind
				}
			}
		}
	}
	return modules
}

// Every version of a module that the documentation names exists.
func TestDocumentedModulesExist(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	require.NoError(t, err)
	modules := ocbModules(t, append(pages, filepath.Join("..", "README.md"))...)
	require.NotEmpty(t, modules)
	known := 0
	for module := range modules {
		path, version, _ := strings.Cut(module, " ")
		if path == "github.com/xfrmreceiver/xfrmreceiver" {
			continue // nothing is published yet
		}
		known++
		cmd := exec.Command("go", "mod", "download", "-json", path+"@"+version)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		out, err := cmd.Output()
		var answer struct{ Version, Error string }
		require.NoError(t, json.Unmarshal(out, &answer), "%s %v", out, err)
		if unreachable(answer.Error) {
			skip(t, "needs the module proxy: "+answer.Error)
		}
		assert.Empty(t, answer.Error, module)
		assert.Equal(t, version, answer.Version)
	}
	assert.Positive(t, known)
}

// unreachable says whether Go failed because there is no network. What does not exist
// gives an answer of the proxy instead.
func unreachable(output string) bool {
	return strings.Contains(output, "dial tcp") || strings.Contains(output, "module lookup disabled")
}

// withDocumentedModules builds our collector with the modules that a page adds.
func withDocumentedModules(t *testing.T, page string) (collector string) {
	t.Helper()
	ocb, err := filepath.Abs(filepath.Join("..", "bin", "ocb"))
	require.NoError(t, err)
	built, err := filepath.Abs(filepath.Join("..", "distribution", "build"))
	require.NoError(t, err)
	for _, needed := range []string{ocb, filepath.Join(built, "go.sum")} {
		if _, err := os.Stat(needed); err != nil {
			skip(t, "needs what `make build` leaves: "+err.Error())
		}
	}
	root := filepath.Dir(filepath.Dir(built))
	folder := t.TempDir()
	manifest, err := os.ReadFile(filepath.Join("..", "distribution", "manifest.yaml"))
	require.NoError(t, err)
	text := strings.NewReplacer("output_path: ./build", "output_path: "+folder, "path: ..", "path: "+root).Replace(string(manifest))
	edits := []string{"mod", "edit", "-replace=github.com/xfrmreceiver/xfrmreceiver@v0.1.0=" + root}
	modules := ocbModules(t, page)
	require.NotEmpty(t, modules)
	for module, kind := range modules {
		require.Contains(t, text, "\n"+kind+":\n")
		text = strings.Replace(text, "\n"+kind+":\n", "\n"+kind+":\n  - gomod: "+module+"\n", 1)
		edits = append(edits, "-require="+strings.Replace(module, " ", "@", 1))
	}
	file := writeFile(t, "manifest.yaml", text)
	do := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		if err != nil && unreachable(string(out)) {
			skip(t, "needs the module proxy: "+string(out))
		}
		require.NoError(t, err, "%s", out)
	}
	do(ocb, "--config", file, "--skip-compilation", "--skip-get-modules")
	// The versions of the collector that `make build` built. OCB would tidy, and for that
	// fetch what the tests of all modules need.
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(built, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	do("go", edits...)
	collector = filepath.Join(folder, "otelcol-xfrm")
	do("go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", collector, ".")
	return collector
}

// apiServer is an API server that has pods, and allows what a role does.
type apiServer struct {
	role rbacv1.ClusterRole
	pods []corev1.Pod

	mu        sync.Mutex
	forbidden []string
}

func (s *apiServer) allows(resource string) bool {
	for _, rule := range s.role.Rules {
		if slices.Contains(rule.APIGroups, "") && slices.Contains(rule.Resources, resource) &&
			slices.Contains(rule.Verbs, "list") && slices.Contains(rule.Verbs, "watch") {
			return true
		}
	}
	return false
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.URL.Path != "/api/v1/pods" || !s.allows("pods") {
		s.mu.Lock()
		s.forbidden = append(s.forbidden, request.URL.Path)
		s.mu.Unlock()
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer := json.NewEncoder(w)
	if request.URL.Query().Get("watch") == "" {
		_ = answer.Encode(corev1.PodList{
			TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "1"}, Items: s.pods,
		})
		return
	}
	if request.URL.Query().Get("sendInitialEvents") == "true" {
		for i := range s.pods {
			_ = answer.Encode(map[string]any{"type": "ADDED", "object": s.pods[i]})
		}
		end := corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}}
		end.ResourceVersion, end.Annotations = "1", map[string]string{metav1.InitialEventsAnnotationKey: "true"}
		_ = answer.Encode(map[string]any{"type": "BOOKMARK", "object": end})
	}
	_ = http.NewResponseController(w).Flush()
	<-request.Context().Done()
}

// The overlay with the names of pods, as it is shipped, in a collector with the processor
// that the page names, beside an API server that allows what its role does: every pod has
// its namespace, name and deployment as labels.
func TestKubernetesNames(t *testing.T) {
	requireRoot(t)
	collector := withDocumentedModules(t, filepath.Join("..", "docs", "kubernetes.md"))
	m := kustomize(t, filepath.Join("overlays", "names"))
	require.Equal(t, m.role.Name, m.binding.RoleRef.Name)
	require.Equal(t, []rbacv1.Subject{{Kind: "ServiceAccount", Name: m.account.Name, Namespace: m.account.Namespace}}, m.binding.Subjects)
	container := m.daemonSet.Spec.Template.Spec.Containers[0]
	require.Equal(t, "/etc/otelcol-xfrm-names/names.yaml", container.Args[len(container.Args)-1])
	require.Len(t, m.configMaps, 1)
	require.Equal(t, m.configMaps[0].Name, m.daemonSet.Spec.Template.Spec.Volumes[1].ConfigMap.Name)
	require.Regexp(t, `^otelcol-xfrm-names-\w+$`, m.configMaps[0].Name, "a hash, so that a change restarts the pods")

	const uid = "8dbc5577-d0e2-4706-8787-57d52c03ddf3"
	own, far := pair(t)
	pod := newNamespace(t)
	join(pod, newNamespace(t))
	block(pod, thereAddress)
	pod.send(thereAddress, 7)
	block(far, hereAddress)
	require.NoError(t, os.WriteFile(podCgroup(t, uid), []byte(strconv.Itoa(pod.sleep())), 0))

	server := &apiServer{role: m.role, pods: []corev1.Pod{{
		TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web-5d4f8c7b9d-x2x4z", UID: uid, ResourceVersion: "1",
			Labels:          map[string]string{"pod-template-hash": "5d4f8c7b9d"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4f8c7b9d"}},
		},
		Spec: corev1.PodSpec{NodeName: "node-1"},
	}}}
	var files [2]string
	for _, variable := range newAuthority(t).issue("127.0.0.1") {
		if name, file, _ := strings.Cut(variable, "="); name != "TLS_CA" {
			files[map[string]int{"TLS_CERT": 0, "TLS_KEY": 1}[name]] = file
		}
	}
	certificate, err := tls.LoadX509KeyPair(files[0], files[1])
	require.NoError(t, err)
	var listener net.Listener
	require.NoError(t, own.do(func() error {
		listener, err = net.Listen("tcp", "127.0.0.1:6443")
		return err
	}))
	api := &http.Server{Handler: server, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, ErrorLog: log.New(io.Discard, "", 0)}
	t.Cleanup(func() { _ = api.Close() })

	start := func(more ...string) *process {
		t.Helper()
		cmd := own.command(append([]string{
			collector, "--config", shipped("kubernetes.yaml"), "--config", writeFile(t, "names.yaml", m.configMaps[0].Data["names.yaml"]),
			// Nothing here has a token or the authority of a cluster.
			"--config", "yaml:processors::k8s_attributes::auth_type: none", "--config", "yaml:receivers::xfrm::initial_delay: 0s",
		}, more...)...)
		cmd.Env = append(os.Environ(), "ROOT_PATH=/", "HOST_NAME=node-1", "KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=6443")
		return run(t, cmd)
	}
	byName := []string{"host_name", "k8s_pod_uid", "k8s_namespace_name", "k8s_pod_name", "k8s_deployment_name"}

	without := start()
	assert.Equal(t, int64(7), own.scrape(without, byName...)["host_name=node-1 k8s_pod_uid="+uid+" outbound/pol_block"], "while there is no API server")
	without.kill()

	go func() { _ = api.ServeTLS(listener, "", "") }()
	// The first scrape is to have the names.
	c := start("--config", "yaml:processors::k8s_attributes::wait_for_metadata: true")
	got := own.scrape(c, byName...)
	want := fmt.Sprintf("host_name=node-1 k8s_pod_uid=%s k8s_namespace_name=shop k8s_pod_name=web-5d4f8c7b9d-x2x4z k8s_deployment_name=web outbound/pol_block", uid)
	assert.Equal(t, int64(7), got[want], "%v", got)
	server.mu.Lock()
	assert.Empty(t, server.forbidden, "what the role lacks")
	server.mu.Unlock()
	c.interrupt()
	assert.NotContains(t, c.output.String(), "\twarn\t")
	assert.NotContains(t, c.output.String(), "\terror\t")
}
