// SPDX-License-Identifier: Apache-2.0

package node

import "errors"

// issue makes the certificates and the configurations of all clients of the API
// server.
func (n *Node) issue() error {
	// Kubernetes grants rights to these names.
	return errors.Join(
		n.authority.Issue("apiserver", "kube-apiserver", "system:masters", Address, ServiceAddress, "127.0.0.1"),
		n.authority.Issue("admin", "admin", "system:masters"), n.authority.kubeconfig("admin"),
		n.authority.Issue("controllers", "system:kube-controller-manager", ""), n.authority.kubeconfig("controllers"),
		n.authority.Issue("scheduler", "system:kube-scheduler", ""), n.authority.kubeconfig("scheduler"),
		n.authority.Issue("kubelet", "system:node:"+Name, "system:nodes", Address), n.authority.kubeconfig("kubelet"),
		n.authority.Issue("accounts", "service accounts", ""),
	)
}

// arguments are those of each component.
func (n *Node) arguments() map[string][]string {
	file := n.authority.File
	return map[string][]string{
		"etcd":       {"--data-dir=" + Directory + "/etcd", "--unsafe-no-fsync", "--log-level=warn"},
		"containerd": {"--config=" + Directory + "/containerd.toml"},
		"kube-apiserver": {
			"--etcd-servers=http://127.0.0.1:2379", "--advertise-address=" + Address,
			// There is no proxy for services: the node has the address of this one itself.
			"--secure-port=443", "--service-cluster-ip-range=" + serviceRange,
			"--client-ca-file=" + file("ca.crt"), "--tls-cert-file=" + file("apiserver.crt"), "--tls-private-key-file=" + file("apiserver.key"),
			"--kubelet-client-certificate=" + file("apiserver.crt"), "--kubelet-client-key=" + file("apiserver.key"),
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + file("accounts.pub"), "--service-account-signing-key-file=" + file("accounts.key"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
		},
		"kube-controller-manager": {
			"--kubeconfig=" + file("controllers.kubeconfig"), "--leader-elect=false", "--use-service-account-credentials",
			"--service-account-private-key-file=" + file("accounts.key"), "--root-ca-file=" + file("ca.crt"),
			"--flex-volume-plugin-dir=" + volumePlugins,
		},
		"kube-scheduler": {"--kubeconfig=" + file("scheduler.kubeconfig"), "--leader-elect=false"},
		"kubelet": {
			"--kubeconfig=" + file("kubelet.kubeconfig"), "--config=" + Directory + "/kubelet.yaml",
			"--hostname-override=" + Name, "--node-ip=" + Address,
		},
	}
}
