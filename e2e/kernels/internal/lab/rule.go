// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// WatchCommands has every execve(2) audited while f runs. Records with the command
// line follow then.
func (a *Audit) WatchCommands(f func() error) error {
	const (
		addRule, deleteRule = 1011, 1012 // AUDIT_ADD_RULE, AUDIT_DEL_RULE
		onExit, always      = 4, 2       // AUDIT_FILTER_EXIT, AUDIT_ALWAYS
		// struct audit_rule_data: flags, action, count of fields, a mask of system
		// calls, 3 arrays of 64 for fields, and the length of what follows.
		size   = 4 * (3 + 64 + 3*64 + 1)
		maskAt = 3 * 4
	)
	rule := make([]byte, size)
	binary.NativeEndian.PutUint32(rule, onExit)
	binary.NativeEndian.PutUint32(rule[4:], always)
	binary.NativeEndian.PutUint32(rule[maskAt+unix.SYS_EXECVE/32*4:], 1<<(unix.SYS_EXECVE%32))
	if err := askAudit(addRule, rule); err != nil {
		return err
	}
	return errors.Join(f(), askAudit(deleteRule, rule))
}

// askAudit sends a message to audit, and returns what its acknowledgement says.
func askAudit(kind uint16, payload []byte) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return fmt.Errorf("opening NETLINK_AUDIT: %w", err)
	}
	defer unix.Close(socket)
	message := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(payload)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	message = append(append(message, make([]byte, 8)...), payload...) // sequence number and port: 0
	if err := unix.Sendto(socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("asking audit: %w", err)
	}
	answer := make([]byte, 4<<10)
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return fmt.Errorf("asking audit: %w", err)
	}
	if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("message %d to audit has no acknowledgement", kind)
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:])); code != 0 {
		return fmt.Errorf("message %d to audit: %w", kind, unix.Errno(-code))
	}
	return nil
}
