// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

const slow = 3 * time.Minute

// eventually waits for something that takes a while on a slow machine.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(slow); !condition(); time.Sleep(100 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "not in time: %s", what)
	}
}

// kubectl runs kubectl, and returns what it prints. It must not warn.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, warnings := kubectlWarns(t, "", args...)
	assert.Empty(t, warnings, "kubectl %s", strings.Join(args, " "))
	return out
}

// kubectlWarns runs kubectl with an input, and returns what it prints, and what it
// warns of.
func kubectlWarns(t *testing.T, input string, args ...string) (out, warnings string) {
	t.Helper()
	cmd := cluster.Command("kubectl", args...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	require.NoError(t, cmd.Run(), "kubectl %s: %s", strings.Join(args, " "), &stderr)
	return stdout.String(), stderr.String()
}

// apply creates the objects of a manifest. They end with the test.
func apply(t *testing.T, manifest string) {
	t.Helper()
	_, warnings := kubectlWarns(t, manifest, "apply", "-f", "-")
	require.Empty(t, warnings)
	t.Cleanup(func() {
		kubectlWarns(t, manifest, "delete", "--ignore-not-found", "--grace-period=1", "-f", "-")
	})
}

// pods returns those of a namespace that a selector selects, and that are not being
// deleted.
func pods(t *testing.T, namespace, selector string) (found []corev1.Pod) {
	t.Helper()
	var list corev1.PodList
	out := kubectl(t, "--namespace", namespace, "get", "pods", "--selector", selector, "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			found = append(found, pod)
		}
	}
	return found
}

func ready(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
