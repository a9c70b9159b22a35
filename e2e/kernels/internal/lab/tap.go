// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Tap is a virtual Ethernet device of one side. What is written to the file
// arrives at the device, each frame behind a struct virtio_net_hdr.
type Tap struct {
	file *os.File
	// MAC is the device's hardware address.
	MAC []byte
}

// Tap makes a device, which ends with Close.
func (s *Side) Tap(name string) (*Tap, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	t := &Tap{}
	err = s.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		t.file = os.NewFile(uintptr(fd), name)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	})
	if err != nil {
		return nil, fmt.Errorf("making a tap device: %w", err)
	}
	link, err := s.Netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("finding the tap device: %w", err)
	}
	t.MAC = link.Attrs().HardwareAddr
	if err := s.Netlink.LinkSetUp(link); err != nil {
		return nil, fmt.Errorf("setting the tap device up: %w", err)
	}
	return t, nil
}

// Arrive lets a frame arrive at the device.
func (t *Tap) Arrive(header, frame []byte) error {
	_, err := t.file.Write(append(header, frame...))
	if errors.Is(err, unix.EINVAL) {
		return ErrRefused
	}
	if err != nil {
		return fmt.Errorf("writing a frame: %w", err)
	}
	return nil
}

// Close removes the device.
func (t *Tap) Close() { _ = t.file.Close() }
