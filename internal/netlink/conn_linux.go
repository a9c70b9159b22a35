// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// answerTimeout is how long the kernel may take to answer. It answers while
	// the request is sent; a dump continues while its answer is read.
	answerTimeout = time.Second
	// receiveBuffer is that of a socket for events, in bytes. The kernel drops
	// what does not fit.
	receiveBuffer = 16 << 20
)

// ErrNoAnswer says that the kernel did not answer in time.
var ErrNoAnswer = fmt.Errorf("the kernel did not answer within %v", answerTimeout)

// Conn is a netlink socket. Only Wait, Join, Leave and Close may be called while
// another method runs.
type Conn struct {
	file     *os.File
	raw      syscall.RawConn
	buffer   *Buffer
	sequence uint32
}

// NewListener takes over a netlink socket for events. The Conn closes it.
func NewListener(fd int, buffer *Buffer) (*Conn, error) {
	// Wait uses the runtime's poller, which needs this.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("fcntl(O_NONBLOCK): %w", err)
	}
	return NewConn(fd, buffer)
}

// NewConn takes over a netlink socket for requests: Wait cannot be called, because
// the socket is not registered with the runtime's poller, which would be most of
// what a short-lived socket costs. The Conn closes it.
func NewConn(fd int, buffer *Buffer) (*Conn, error) {
	file := os.NewFile(uintptr(fd), "netlink")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &Conn{file: file, raw: raw, buffer: buffer}, nil
}

// Close closes the socket, and ends Wait.
func (c *Conn) Close() error { return c.file.Close() }

// Exchange sends requests at once and passes what answers them to f. It stops at
// the first error of f. The error wraps that, or the errno of the kernel, or
// ErrMalformed, ErrDatagram or ErrNoAnswer, or is that of ctx. After an error
// nothing else must be asked: a dump may not have ended.
func (c *Conn) Exchange(ctx context.Context, f func(Message) error, requests ...Request) error {
	var datagram []byte
	first := c.sequence + 1
	for i := range requests {
		c.sequence++
		datagram = requests[i].append(datagram, c.sequence)
	}
	return c.control(func(fd int) error {
		if err := unix.Sendto(fd, datagram, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		for left := len(requests); left > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := c.receive(fd, func(datagram []byte) error {
				return eachMessage(datagram, func(m Message) error {
					i := m.Sequence - first
					if i >= uint32(len(requests)) {
						return nil // it answers something else
					}
					if m.Type == typeDone || m.Type == typeError || !requests[i].Dump {
						left--
					}
					if m.Type == typeDone || m.Type == typeError {
						return errorOf(m)
					}
					return f(m)
				})
			})
			if errors.Is(err, unix.EAGAIN) {
				err = waitForAnswer(ctx, fd)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// waitForAnswer waits until there is something to read.
func waitForAnswer(ctx context.Context, fd int) error {
	const slice = 100 * time.Millisecond // after which the end of ctx is noticed
	for start := time.Now(); time.Since(start) < answerTimeout; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(slice.Milliseconds()))
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("poll: %w", err)
		}
	}
	return ErrNoAnswer
}

// errorOf returns the error in the last message of an answer.
func errorOf(m Message) error {
	if len(m.Data) < 4 {
		return fmt.Errorf("%w: message of type %d has %d bytes, expected an errno of 4", ErrDatagram, m.Type, len(m.Data))
	}
	if errno := int32(binary.NativeEndian.Uint32(m.Data)); errno < 0 {
		return fmt.Errorf("the kernel refused the request: %w", unix.Errno(-errno))
	}
	return nil
}

// Join joins multicast groups, by number, and makes room for bursts.
func (c *Conn) Join(groups ...int) error {
	return c.control(func(fd int) error {
		if err := bind(fd); err != nil {
			return err
		}
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			// Without CAP_NET_ADMIN the limit net.core.rmem_max holds.
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		for _, group := range groups {
			if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
				return fmt.Errorf("setsockopt(NETLINK_ADD_MEMBERSHIP, %d): %w", group, err)
			}
		}
		return nil
	})
}

// bind gives the socket a port, once: the kernel refuses another.
func bind(fd int) error {
	address, err := unix.Getsockname(fd)
	if own, ok := address.(*unix.SockaddrNetlink); ok && own.Pid != 0 {
		return nil
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// Leave leaves a multicast group.
func (c *Conn) Leave(group int) error {
	return c.control(func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, group); err != nil {
			return fmt.Errorf("setsockopt(NETLINK_DROP_MEMBERSHIP, %d): %w", group, err)
		}
		return nil
	})
}

// Wait waits until there is something to drain. It returns an error after Close.
func (c *Conn) Wait() error {
	return c.raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// Drain reads all events that have arrived and passes them to f. overrun says that
// the kernel dropped some. What is malformed costs itself alone: err is the last
// such error, and wraps ErrMalformed. After any other error nothing more arrives.
func (c *Conn) Drain(f func(Message)) (overrun bool, err error) {
	const enough = 100_000 // a flood must not keep the caller for ever
	return c.drain(enough, func(m Message) error {
		f(m)
		return nil
	})
}

// DrainSome is Drain for up to SomeEvents datagrams, after which the caller can do
// something else. An error of f is that of a malformed event, and costs it alone.
func (c *Conn) DrainSome(f func(Message) error) (overrun bool, err error) {
	return c.drain(SomeEvents, f)
}

// SomeEvents are read in some milliseconds.
const SomeEvents = 1000

func (c *Conn) drain(limit int, f func(Message) error) (overrun bool, err error) {
	closed := c.control(func(fd int) error {
		for range limit {
			switch one := c.receive(fd, func(datagram []byte) error {
				return eachMessage(datagram, func(m Message) error {
					if malformed := f(m); malformed != nil {
						err = malformed
					}
					return nil
				})
			}); {
			case one == nil:
			case errors.Is(one, unix.EAGAIN):
				return nil
			case errors.Is(one, unix.ENOBUFS):
				overrun = true
			case errors.Is(one, ErrDatagram):
				err = fmt.Errorf("%w: %w", ErrMalformed, one)
			default:
				return one
			}
		}
		return nil
	})
	if closed != nil {
		err = closed
	}
	return overrun, err
}

// receive reads one datagram, passes it to f and clears it.
func (c *Conn) receive(fd int, f func(datagram []byte) error) error {
	n, from, err := unix.Recvfrom(fd, c.buffer.data, unix.MSG_TRUNC|unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EINTR):
		return unix.EAGAIN
	case err != nil:
		return fmt.Errorf("receive: %w", err)
	}
	datagram := c.buffer.data[:min(n, len(c.buffer.data))]
	defer clear(datagram)
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return nil // it is not from the kernel
	}
	if n > len(datagram) {
		return fmt.Errorf("%w: it has %d bytes, expected at most %d", ErrDatagram, n, len(datagram))
	}
	return f(datagram)
}

func eachMessage(datagram []byte, f func(Message) error) error {
	for len(datagram) > 0 {
		m, rest, err := next(datagram)
		if err != nil {
			return err
		}
		datagram = rest
		if m.Type == typeNoop {
			continue
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// control calls f with the descriptor, which stays open until f returns.
func (c *Conn) control(f func(fd int) error) (err error) {
	if controlErr := c.raw.Control(func(fd uintptr) { err = f(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}
