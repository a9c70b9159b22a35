// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	// ErrNoAudit says that the kernel has no audit subsystem.
	ErrNoAudit = errors.New("the kernel has no audit subsystem: it was started with audit=0, or built without CONFIG_AUDIT")

	// ErrNotPermitted says that this process may not receive audit records.
	ErrNotPermitted = errors.New("receiving audit records requires the capability CAP_AUDIT_READ in the initial user namespace")

	// ErrStatusNotPermitted says that this process may not ask whether audit is
	// on. Records arrive without that.
	ErrStatusNotPermitted = errors.New("asking whether audit is on requires the capability CAP_AUDIT_CONTROL " +
		"in the initial user and PID namespaces")

	errStatus = errors.New("malformed answer to AUDIT_GET")
)

// Status is the state of the kernel's audit subsystem (struct audit_status in
// include/uapi/linux/audit.h).
type Status struct {
	// Enabled says that the kernel writes records.
	Enabled bool
	// Lost is how many records the kernel has lost, of all types. It wraps, and
	// begins again at zero when somebody resets it.
	Lost uint32
}

// decodeStatus reads an answer to AUDIT_GET.
func decodeStatus(data []byte) (Status, error) {
	// mask, enabled, failure, pid, rate_limit, backlog_limit, lost, backlog. Later
	// kernels append more.
	const size = 8 * 4
	if len(data) < size {
		return Status{}, fmt.Errorf("%w: %d bytes, expected at least %d", errStatus, len(data), size)
	}
	return Status{
		Enabled: binary.NativeEndian.Uint32(data[4:]) != 0,
		Lost:    binary.NativeEndian.Uint32(data[24:]),
	}, nil
}
