// SPDX-License-Identifier: Apache-2.0

// Package node runs a Kubernetes of a single node, for a test: API server,
// controllers, scheduler, kubelet, etcd and containerd, as their projects release
// them. They run in namespaces of their own. Nothing of the machine is changed, and
// everything ends with the process that called [Isolate].
package node
