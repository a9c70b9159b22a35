// SPDX-License-Identifier: Apache-2.0

// Package kubernetes tests distribution/kubernetes on a real Kubernetes of one node:
// it applies the overlays as docs/kubernetes.md says, drops packets in the network
// namespaces of the node and of pods, and checks what a user sees.
//
// Run it with `make e2e-kubernetes`.
package kubernetes
