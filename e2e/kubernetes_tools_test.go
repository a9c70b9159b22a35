// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// helmValues are the values of the chart opentelemetry-collector that ours set. Neither the
// chart nor the types of the OpenTelemetry Operator are Go modules that can be had, so their
// fields are written down here, from version 0.170.0 of the chart and 0.158.0 of the operator.
type helmValues struct {
	Mode           string         `json:"mode"`
	Image          map[string]any `json:"image"`
	Command        struct{ Name string }
	ServiceAccount struct {
		AutomountServiceAccountToken bool `json:"automountServiceAccountToken"`
	} `json:"serviceAccount"`
	Config map[string]any `json:"config"`
	Ports  map[string]struct {
		Enabled       bool  `json:"enabled"`
		ContainerPort int32 `json:"containerPort"`
		ServicePort   int32 `json:"servicePort"`
	} `json:"ports"`
	PodAnnotations map[string]string `json:"podAnnotations"`
	PodMonitor     struct {
		Enabled          bool                              `json:"enabled"`
		MetricsEndpoints []monitoringv1.PodMetricsEndpoint `json:"metricsEndpoints"`
	} `json:"podMonitor"`
	ExtraEnvs          []corev1.EnvVar             `json:"extraEnvs"`
	ExtraVolumes       []corev1.Volume             `json:"extraVolumes"`
	ExtraVolumeMounts  []corev1.VolumeMount        `json:"extraVolumeMounts"`
	PodSecurityContext *corev1.PodSecurityContext  `json:"podSecurityContext"`
	SecurityContext    *corev1.SecurityContext     `json:"securityContext"`
	Resources          corev1.ResourceRequirements `json:"resources"`
	Tolerations        []corev1.Toleration         `json:"tolerations"`
	Affinity           *corev1.Affinity            `json:"affinity"`
	Rollout            struct {
		RollingUpdate *appsv1.RollingUpdateDaemonSet `json:"rollingUpdate"`
	} `json:"rollout"`
}

// chartDefaults are the components that the chart configures by default.
const chartDefaults = `
receivers: { jaeger: {}, otlp: {}, prometheus: {}, zipkin: {} }
processors: { batch: {}, memory_limiter: { check_interval: 5s, limit_percentage: 80, spike_limit_percentage: 25 } }
exporters: { debug: {} }
extensions: { health_check: {} }
service:
  extensions: [health_check]
  telemetry: { resource: { host.name: node }, metrics: { readers: [{}] } }
  pipelines:
    logs: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [debug] }
    metrics: { receivers: [otlp, prometheus], processors: [memory_limiter, batch], exporters: [debug] }
    traces: { receivers: [otlp, jaeger, zipkin], processors: [memory_limiter, batch], exporters: [debug] }
`

// merge puts values over defaults as Helm does: null removes a key.
func merge(defaults, values map[string]any) map[string]any {
	for key, value := range values {
		below, isMap := value.(map[string]any)
		under, wasMap := defaults[key].(map[string]any)
		switch {
		case value == nil:
			delete(defaults, key)
		case isMap && wasMap:
			defaults[key] = merge(under, below)
		default:
			defaults[key] = value
		}
	}
	return defaults
}

// openTelemetryCollector is the resource of the OpenTelemetry Operator, as far as ours uses it.
type openTelemetryCollector struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Mode            string         `json:"mode"`
		Image           string         `json:"image"`
		UpgradeStrategy string         `json:"upgradeStrategy"`
		Config          map[string]any `json:"config"`
		Observability   struct {
			Metrics struct {
				DisablePrometheusAnnotations bool `json:"disablePrometheusAnnotations"`
			} `json:"metrics"`
		} `json:"observability"`
		PodAnnotations          map[string]string              `json:"podAnnotations"`
		Env                     []corev1.EnvVar                `json:"env"`
		Volumes                 []corev1.Volume                `json:"volumes"`
		VolumeMounts            []corev1.VolumeMount           `json:"volumeMounts"`
		PodSecurityContext      *corev1.PodSecurityContext     `json:"podSecurityContext"`
		SecurityContext         *corev1.SecurityContext        `json:"securityContext"`
		Resources               corev1.ResourceRequirements    `json:"resources"`
		Tolerations             []corev1.Toleration            `json:"tolerations"`
		Affinity                *corev1.Affinity               `json:"affinity"`
		DaemonSetUpdateStrategy appsv1.DaemonSetUpdateStrategy `json:"daemonSetUpdateStrategy"`
	} `json:"spec"`
}

// readKubernetes decodes a file of distribution/kubernetes. A field that the type lacks is an
// error.
func readKubernetes(t *testing.T, name string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "distribution", "kubernetes", name))
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(content, into))
}

// asOverlay checks that a collector that another tool deploys is that of the overlay
// processes: the same configuration, in a pod with the same rights.
func asOverlay(t *testing.T, config map[string]any, pod corev1.PodSpec, annotations map[string]string, update *appsv1.RollingUpdateDaemonSet) {
	t.Helper()
	set := kustomize(t, filepath.Join("overlays", "processes")).daemonSet.Spec
	want := set.Template.Spec
	text, err := json.Marshal(config)
	require.NoError(t, err)
	node := []string{"HOST_NAME=0123"}
	for _, variable := range want.Containers[0].Env[1:] {
		node = append(node, variable.Name+"="+variable.Value)
	}
	wantConfig, err := decoded(t, []string{"--config", shipped("kubernetes.yaml")}, node)
	require.NoError(t, err)
	got, err := decoded(t, []string{"--config", writeFile(t, "config.yaml", string(text))}, node[:1])
	require.NoError(t, err)
	assert.Equal(t, wantConfig, got)

	assert.Equal(t, want.Containers[0].Env[:1], pod.Containers[0].Env)
	assert.Equal(t, want.Containers[0].VolumeMounts, pod.Containers[0].VolumeMounts)
	assert.Equal(t, want.Containers[0].SecurityContext, pod.Containers[0].SecurityContext)
	assert.Equal(t, want.Containers[0].Resources, pod.Containers[0].Resources)
	assert.Equal(t, want.Volumes, pod.Volumes)
	assert.Equal(t, want.SecurityContext, pod.SecurityContext)
	assert.Equal(t, want.Tolerations, pod.Tolerations)
	assert.Equal(t, want.Affinity, pod.Affinity)
	assert.Equal(t, set.Template.Annotations, annotations)
	assert.Equal(t, set.UpdateStrategy.RollingUpdate, update)
}

// With our values, the official Helm chart runs what the overlay processes runs.
func TestHelmValues(t *testing.T) {
	var values helmValues
	readKubernetes(t, "helm-values.yaml", &values)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(chartDefaults), &config))
	asOverlay(t, merge(config, values.Config), corev1.PodSpec{
		Containers: []corev1.Container{{
			Env: values.ExtraEnvs, VolumeMounts: values.ExtraVolumeMounts, SecurityContext: values.SecurityContext, Resources: values.Resources,
		}},
		Volumes: values.ExtraVolumes, SecurityContext: values.PodSecurityContext, Tolerations: values.Tolerations, Affinity: values.Affinity,
	}, values.PodAnnotations, values.Rollout.RollingUpdate)

	assert.Equal(t, "daemonset", values.Mode)
	assert.Empty(t, values.Command.Name, "the entry point of the image")
	assert.False(t, values.ServiceAccount.AutomountServiceAccountToken)
	for name, port := range values.Ports {
		assert.Equal(t, name == "metrics", port.Enabled, name)
	}
	assert.Equal(t, int32(9464), values.Ports["metrics"].ContainerPort)
	var monitor monitoringv1.PodMonitor
	readKubernetes(t, "podmonitor.yaml", &monitor)
	assert.Equal(t, monitor.Spec.PodMetricsEndpoints, values.PodMonitor.MetricsEndpoints)
}

// The OpenTelemetry Operator runs what the overlay processes runs.
func TestOpenTelemetryCollector(t *testing.T) {
	var collector openTelemetryCollector
	readKubernetes(t, "opentelemetrycollector.yaml", &collector)
	spec := collector.Spec
	asOverlay(t, spec.Config, corev1.PodSpec{
		Containers: []corev1.Container{{
			Env: spec.Env, VolumeMounts: spec.VolumeMounts, SecurityContext: spec.SecurityContext, Resources: spec.Resources,
		}},
		Volumes: spec.Volumes, SecurityContext: spec.PodSecurityContext, Tolerations: spec.Tolerations, Affinity: spec.Affinity,
	}, spec.PodAnnotations, spec.DaemonSetUpdateStrategy.RollingUpdate)

	assert.Equal(t, "opentelemetry.io/v1beta1", collector.APIVersion)
	assert.Equal(t, "OpenTelemetryCollector", collector.Kind)
	assert.Equal(t, "daemonset", spec.Mode)
	assert.Equal(t, "none", spec.UpgradeStrategy)
	assert.True(t, spec.Observability.Metrics.DisablePrometheusAnnotations)
}
