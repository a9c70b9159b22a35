// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a socket of one side. It is never connected: connect() looks policies
// up too, and counts.
type Socket struct{ fd int }

// open makes a socket inside the namespace; it stays there.
func (s *Side) open(domain, kind, protocol int) (*Socket, error) {
	socket := &Socket{}
	err := s.Do(func() (err error) {
		socket.fd, err = unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	return socket, nil
}

// Close closes the socket.
func (s *Socket) Close() { _ = unix.Close(s.fd) }

// UDP opens a datagram socket of IPv4; port 0 leaves it unbound.
func (s *Side) UDP(port int) (*Socket, error) {
	return s.udp(unix.AF_INET, &unix.SockaddrInet4{Port: port}, port)
}

// udpFor opens a datagram socket of the address' family.
func (s *Side) udpFor(address net.IP, port int) (*Socket, error) {
	if address.To4() != nil {
		return s.UDP(port)
	}
	return s.udp(unix.AF_INET6, &unix.SockaddrInet6{Port: port}, port)
}

func (s *Side) udp(family int, any unix.Sockaddr, port int) (*Socket, error) {
	socket, err := s.open(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	if port != 0 {
		if err := unix.Bind(socket.fd, any); err != nil {
			return nil, fmt.Errorf("binding to port %d: %w", port, err)
		}
	}
	return socket, nil
}

// Raw opens a raw socket of an IP protocol. With unix.IPPROTO_RAW the sender
// writes the IP header itself.
func (s *Side) Raw(protocol int) (*Socket, error) {
	return s.open(unix.AF_INET, unix.SOCK_RAW, protocol)
}

// Option sets an integer socket option.
func (s *Socket) Option(level, option, value int) error {
	if err := unix.SetsockoptInt(s.fd, level, option, value); err != nil {
		return fmt.Errorf("setting a socket option: %w", err)
	}
	return nil
}

// Send sends content count times. What the kernel answers is not looked at:
// some of the drops make the call fail and some do not, and the counters tell.
func (s *Socket) Send(to net.IP, port int, content []byte, count int) {
	for range count {
		s.SendFlags(to, port, content, 0)
	}
}

// SendFlags sends content once.
func (s *Socket) SendFlags(to net.IP, port int, content []byte, flags int) {
	var address unix.Sockaddr = &unix.SockaddrInet6{Port: port, Addr: [16]byte(to.To16())}
	if ip := to.To4(); ip != nil {
		address = &unix.SockaddrInet4{Port: port, Addr: [4]byte(ip)}
	}
	_ = unix.Sendto(s.fd, content, flags, address)
}

// Received counts the datagrams that wait in the socket, and takes them out.
func (s *Socket) Received() int {
	buffer := make([]byte, 65536)
	for count := 0; ; count++ {
		if _, _, err := unix.Recvfrom(s.fd, buffer, unix.MSG_DONTWAIT); err != nil {
			return count
		}
	}
}

// Datagrams sends count datagrams to a port of the other side.
func (s *Side) Datagrams(to net.IP, port, count int) error {
	socket, err := s.udpFor(to, 0)
	if err != nil {
		return err
	}
	defer socket.Close()
	socket.Send(to, port, []byte("hello"), count)
	return nil
}

// Packets sends count IP packets of a protocol.
func (s *Side) Packets(to net.IP, protocol int, payload []byte, count int) error {
	socket, err := s.Raw(protocol)
	if err != nil {
		return err
	}
	defer socket.Close()
	socket.Send(to, 0, payload, count)
	return nil
}

// Deliver sends datagrams to an address of the other side and waits until all
// have arrived.
func Deliver(from, to *Side, address net.IP, port, count int) error {
	got, err := Attempt(from, to, address, port, count)
	if err == nil && got != count {
		err = fmt.Errorf("of %d datagrams to %s %d arrived", count, address, got)
	}
	return err
}

// Attempt sends datagrams, waits until all have arrived or none does for some
// seconds, and returns how many have.
func Attempt(from, to *Side, address net.IP, port, count int) (got int, err error) {
	sink, err := to.udpFor(address, port)
	if err != nil {
		return 0, err
	}
	defer sink.Close()
	if err := from.Datagrams(address, port, count); err != nil {
		return 0, err
	}
	const patience = 3 * time.Second
	for deadline := time.Now().Add(patience); got < count && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
		if n := sink.Received(); n > 0 {
			got, deadline = got+n, time.Now().Add(patience)
		}
	}
	return got, nil
}
