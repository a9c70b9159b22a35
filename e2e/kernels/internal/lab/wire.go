// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Wire is a packet socket on a side's device: frames as they go out, and frames
// that no IP stack made.
type Wire struct {
	socket *Socket
	index  int
}

// wire opens the device.
func (s *Side) wire() (*Wire, error) {
	link, err := s.Netlink.LinkByName(s.Device)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", s.Device, err)
	}
	protocol := int(binary.BigEndian.Uint16([]byte{unix.ETH_P_ALL & 0xff, unix.ETH_P_ALL >> 8}))
	socket, err := s.open(unix.AF_PACKET, unix.SOCK_RAW, protocol)
	if err != nil {
		return nil, err
	}
	w := &Wire{socket, link.Attrs().Index}
	err = unix.Bind(socket.fd, &unix.SockaddrLinklayer{Protocol: uint16(protocol), Ifindex: w.index})
	if err != nil {
		return nil, fmt.Errorf("binding to %s: %w", s.Device, err)
	}
	return w, nil
}

// Close closes the socket.
func (w *Wire) Close() { w.socket.Close() }

const (
	ethernetHeader = 14
	ipProtocolAt   = ethernetHeader + 9
)

// sent returns the next frame with this IP protocol that the side sent.
func (w *Wire) sent(ipProtocol byte) ([]byte, error) {
	buffer := make([]byte, 65536)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		n, from, err := unix.Recvfrom(w.socket.fd, buffer, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading from the wire: %w", err)
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if ok && link.Pkttype == unix.PACKET_OUTGOING && n > ipProtocolAt && buffer[ipProtocolAt] == ipProtocol {
			return buffer[:n], nil
		}
	}
	return nil, errors.New("no such frame was sent")
}

// Catch opens the wire, calls what sends, and returns the first frame with this IP
// protocol. The caller closes the wire.
func (s *Side) Catch(ipProtocol byte, send func() error) (*Wire, []byte, error) {
	w, err := s.wire()
	if err != nil {
		return nil, nil, err
	}
	err = send()
	var frame []byte
	if err == nil {
		frame, err = w.sent(ipProtocol)
	}
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return w, frame, nil
}

// Inject puts a frame on the wire, count times.
func (w *Wire) Inject(frame []byte, count int) error {
	for range count {
		if err := unix.Sendto(w.socket.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index}); err != nil {
			return fmt.Errorf("injecting a frame: %w", err)
		}
	}
	return nil
}
