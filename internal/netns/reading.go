// SPDX-License-Identifier: Apache-2.0

package netns

import "errors"

// Reading is the xfrm_stat of one namespace at one moment, or the reason why
// there is none.
type Reading struct {
	// Namespace that was read; nil if it is not known.
	Namespace *Namespace
	// File is the path that was read, or the name of the namespace. It is valid
	// UTF-8.
	File string
	// Data is the content of xfrm_stat. It is valid until the visitor returns.
	Data []byte
	// Sockets opens sockets in the namespace; nil if it was not reached. It is
	// valid until the visitor returns.
	Sockets Sockets
	// Err says why there is no Data. It wraps one of the errors below, or names
	// the path and the cause.
	Err error
}

// Sockets opens sockets in one network namespace.
type Sockets interface {
	// OpenSocket opens a netlink socket of a protocol (NETLINK_*). The caller
	// closes it soon: it keeps the namespace alive. The error is ErrNoProtocol,
	// ErrSocketNotPermitted, ErrSocketRefused, ErrRefused or ErrGone, or names the
	// system call.
	OpenSocket(protocol int) (fd int, err error)
}

var (
	// ErrNoStatistics says that the kernel has no XFRM statistics: proc exists,
	// and xfrm_stat does not.
	ErrNoStatistics = errors.New("the kernel was built without CONFIG_XFRM_STATISTICS")

	// ErrNotPermitted says that this process lacks the capability to enter a
	// namespace by name.
	ErrNotPermitted = errors.New("entering a network namespace by name requires the capability CAP_SYS_ADMIN")

	// ErrRefused says that entering a namespace was refused although this process
	// has the capability.
	ErrRefused = errors.New("entering the network namespace was refused although this process has CAP_SYS_ADMIN")

	// ErrNotNamespace says that a file in a directory of named namespaces is
	// something else, for example what a failed delete left behind.
	ErrNotNamespace = errors.New("is not a network namespace")

	// ErrOutsideRoot says that a name is a link that leads out of Options.Root.
	ErrOutsideRoot = errors.New("is a link that leads out of root_path")

	// ErrUnmounted says that a name no longer leads to the namespace that was
	// read through it before, although the name still exists.
	ErrUnmounted = errors.New("was a network namespace that was read, and is no longer mounted")

	// ErrInvalidName says that a name is not valid UTF-8. The namespace is read
	// under a name in which such bytes are written as \xNN.
	ErrInvalidName = errors.New("the name of the network namespace is not valid UTF-8")

	// ErrNoDirectory says that a directory of named namespaces does not exist.
	// ip(8) creates it with the first namespace.
	ErrNoDirectory = errors.New("the directory of named network namespaces does not exist")

	// ErrHidden says that some processes, and with them their namespaces, cannot
	// be seen.
	ErrHidden = errors.New("proc hides the processes of other users")

	// ErrNoProtocol says that the kernel does not have the netlink protocol.
	ErrNoProtocol = errors.New("the kernel does not have the netlink protocol")

	// ErrSocketNotPermitted says that this process lacks the capabilities to open
	// a socket in the namespace of another process.
	ErrSocketNotPermitted = errors.New("opening a socket in the network namespace of another process requires the " +
		"capabilities CAP_SYS_PTRACE and CAP_SYS_ADMIN")

	// ErrSocketRefused says that opening a socket in the namespace of another
	// process was refused although this process has the capabilities.
	ErrSocketRefused = errors.New("opening a socket in the network namespace of another process was refused although this " +
		"process has CAP_SYS_PTRACE and CAP_SYS_ADMIN")

	// ErrGone says that no process is in the namespace any more.
	ErrGone = errors.New("the network namespace is gone")

	// ErrUnread says that the scrape ended before this namespace was read.
	ErrUnread = errors.New("timeout ended the scrape before the namespace was read")

	// ErrLimit says that there are more namespaces than Options.Limit.
	ErrLimit = errors.New("more network namespaces than network_namespaces::limit")

	// ErrPIDLimit says that there are more than MaxByPID namespaces that only a
	// process ID identifies.
	ErrPIDLimit = errors.New("more than 100 network namespaces that only process.pid identifies")
)

// MaxByPID bounds the namespaces that only process.pid identifies. Any local user
// can create thousands of them (unshare -Urn), and each new process gives new
// series.
const MaxByPID = 100
