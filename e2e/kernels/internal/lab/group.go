// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// JoinXFRM opens a socket that is a member of a multicast group of NETLINK_XFRM, as
// IKE daemons are.
func (s *Side) JoinXFRM(group int) (*Socket, error) {
	socket, err := s.open(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_XFRM)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(socket.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("binding a netlink socket: %w", err)
	}
	return socket, socket.Option(unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
}

// Audit is a listener of audit records.
type Audit struct{ fd int }

// ListenToAudit opens one.
func ListenToAudit() (*Audit, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_AUDIT)
	if err != nil {
		return nil, fmt.Errorf("opening NETLINK_AUDIT: %w", err)
	}
	const readLog = 1 // AUDIT_NLGRP_READLOG as a bit
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: readLog}); err != nil {
		return nil, fmt.Errorf("listening to audit: %w", err)
	}
	return &Audit{fd}, nil
}

// IPsec counts the records about IPsec among those since the last call.
func (a *Audit) IPsec() int { return a.count(1415) } // AUDIT_MAC_IPSEC_EVENT

// CommandLines counts those with a command line.
func (a *Audit) CommandLines() int { return a.count(1327) } // AUDIT_PROCTITLE

func (a *Audit) count(kind int) (count int) {
	buffer := make([]byte, 16<<10)
	for {
		n, _, err := unix.Recvfrom(a.fd, buffer, 0)
		switch {
		case errors.Is(err, unix.ENOBUFS): // what it lost is said by what is missing
		case err != nil:
			return count
		case n >= 6 && int(buffer[4])|int(buffer[5])<<8 == kind:
			count++
		}
	}
}

// EnableAudit switches audit on, and lets enough records wait.
func EnableAudit() error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return fmt.Errorf("opening NETLINK_AUDIT: %w", err)
	}
	defer unix.Close(socket)
	const (
		auditSet          = 1001
		enabled, backlog  = 0x1, 0x10 // AUDIT_STATUS_ENABLED, AUDIT_STATUS_BACKLOG_LIMIT
		request, wantsAck = 0x1, 0x4
	)
	message := make([]byte, 16+40)
	for offset, value := range map[int]uint32{0: uint32(len(message)), 4: auditSet | (request|wantsAck)<<16, 16: enabled | backlog, 20: 1, 36: 8192} {
		for i := range 4 {
			message[offset+i] = byte(value >> (8 * i))
		}
	}
	if err := unix.Sendto(socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("switching audit on: %w", err)
	}
	return nil
}
