// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"strconv"
	"strings"
)

// Namespace holds what identifies one network namespace in the output. No two
// living namespaces have equal values. A Source returns the same pointer for the
// same namespace as long as it lives, and the values never change.
//
// All text is valid UTF-8.
type Namespace struct {
	// Name of the bind mount; its path if another namespace has the name. Empty
	// if the namespace was not found by name.
	Name string
	// PodUID is the UID of the Kubernetes pod of its oldest process, or empty.
	PodUID string
	// ContainerID is the ID of the container of its oldest process, or empty.
	ContainerID string
	// ContainerName is the name of the container of its oldest process, where
	// the runtime uses names instead of IDs, or empty.
	ContainerName string
	// Unit is the systemd unit of its oldest process, or empty.
	Unit string
	// PID of its oldest process if nothing above identifies the namespace, or 0.
	PID int
}

// IsMain reports whether this is the main namespace, which has no attributes.
func (n *Namespace) IsMain() bool { return *n == Namespace{} }

// String lists the resource attributes, for messages.
func (n *Namespace) String() string {
	if n.IsMain() {
		return "the main network namespace"
	}
	var parts []string
	add := func(attribute, value string) {
		if value != "" {
			parts = append(parts, attribute+"="+value)
		}
	}
	add("netns.name", n.Name)
	add("k8s.pod.uid", n.PodUID)
	add("container.id", n.ContainerID)
	add("container.name", n.ContainerName)
	add("systemd.unit.name", n.Unit)
	if n.PID != 0 {
		add("process.pid", strconv.Itoa(n.PID))
	}
	return strings.Join(parts, " ")
}
