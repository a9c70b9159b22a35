// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
)

// recordTimeout is how long a record may take. It takes milliseconds.
const recordTimeout = 500 * time.Millisecond

// IsOn finds out whether audit is on without the capability that GetStatus needs,
// CAP_AUDIT_CONTROL. It needs what Listen needs, and has the same errors. It takes
// half a second if audit is off.
//
// While audit is on, the kernel records who starts to receive (AUDIT_EVENT_LISTENER,
// audit_log_multicast in kernel/audit.c; Linux 5.8 and later). So IsOn starts to
// receive, and notes whether that record arrives. It reads none. While audit is on,
// it leaves some records of itself in the audit log: once it has returned true, do
// not call it again.
func IsOn(ctx context.Context, sockets netns.Sockets) (bool, error) {
	const typeEventListener = 1335
	// The record of the first joining may be sent before the socket is a member;
	// that of the second is not.
	l, err := listen(sockets, typeEventListener, groupRecord, groupRecord)
	if err != nil {
		return false, err
	}
	return l.hasRecord(ctx), ctx.Err()
}

// hasRecord waits until a record arrives, and closes the Listener.
func (l *Listener) hasRecord(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	defer func() { _ = l.Close() }()
	return l.Wait() == nil
}
