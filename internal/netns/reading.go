package netns

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Namespace is one network namespace, and what tells it apart from all others.
// A Source gives the same pointer for the same namespace as long as that lives,
// and what it is called never changes.
type Namespace struct {
	// Name of the bind mount; its path where another namespace has the name.
	// Empty if the namespace was found by no name.
	Name string
	// PodUID is the UID of the Kubernetes pod of its oldest process, or empty.
	PodUID string
	// ContainerID is the ID of the container of its oldest process, or empty.
	ContainerID string
	// PID of its oldest process, where nothing else tells it apart, or 0.
	PID int
	// Start is a lower bound of the time since when the namespace counts.
	Start time.Time

	// Points is for the use of whoever reads: how many points the namespace gave
	// the last time, and so how many are missing when it cannot be read.
	Points int
}

// Bare reports whether nothing tells the namespace apart: it is the main one.
func (n *Namespace) Bare() bool {
	return n.Name == "" && n.PodUID == "" && n.ContainerID == "" && n.PID == 0
}

// String tells the namespace apart in messages.
func (n *Namespace) String() string {
	parts := []string{"netns.name", n.Name, "k8s.pod.uid", n.PodUID, "container.id", n.ContainerID, "process.pid", ""}
	if n.PID != 0 {
		parts[7] = strconv.Itoa(n.PID)
	}
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		if parts[i+1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(parts[i] + "=" + parts[i+1])
	}
	if b.Len() == 0 {
		return "the main network namespace"
	}
	return b.String()
}

// Reading is the xfrm_stat of one namespace at one moment, or why there is none.
type Reading struct {
	// Namespace that was read; nil if it is not known which that would be.
	Namespace *Namespace
	// File is the path by which the namespace was found, for messages.
	File string
	// Data is the content. It is valid until the function that got it returns.
	Data []byte
	// Err says why there is no Data: one of the errors below, or one that names
	// the path and the cause.
	Err error
}

var (
	// ErrNoStatistics says that the kernel keeps no XFRM statistics: proc is
	// there, and xfrm_stat is not. Such a kernel was built without
	// CONFIG_XFRM_STATISTICS.
	ErrNoStatistics = errors.New("the kernel has no XFRM statistics (it was built without CONFIG_XFRM_STATISTICS)")

	// ErrNotPermitted says that this process may not enter the namespace.
	ErrNotPermitted = errors.New("entering a network namespace by its name needs the capability CAP_SYS_ADMIN")

	// ErrNoNamespace says that a file among the named namespaces is none.
	ErrNoNamespace = errors.New("the file is no network namespace")

	// ErrNoDirectory says that a directory of named namespaces does not exist.
	// ip(8) makes it with the first namespace.
	ErrNoDirectory = errors.New("the directory of named network namespaces does not exist")

	// ErrHidden says that proc hides processes, and with them namespaces.
	ErrHidden = errors.New("proc hides the processes of other users (it is mounted with hidepid)")

	// ErrUnread says that the time was up before this namespace was read.
	ErrUnread = errors.New("the time was up before the namespace was read")
)
