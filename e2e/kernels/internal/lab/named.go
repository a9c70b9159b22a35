// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// namedDir is where ip-netns(8) mounts namespaces.
const namedDir = "/run/netns"

// Named makes a namespace with a name, as ip-netns(8) does.
func Named(name string, addr net.IP, device string) (*Side, error) {
	s, err := newSide(addr, device, func() error { return unix.Unshare(unix.CLONE_NEWNET) })
	if err != nil {
		return nil, err
	}
	mount := filepath.Join(namedDir, name)
	err = errors.Join(os.MkdirAll(namedDir, 0o750), os.WriteFile(mount, nil, 0o600), s.Do(func() error {
		return unix.Mount("/proc/thread-self/ns/net", mount, "", unix.MS_BIND, "")
	}))
	if err != nil {
		return nil, fmt.Errorf("naming a network namespace: %w", err)
	}
	return s, nil
}

// Unname takes the name away and lets go of the namespace: it ends if nobody else
// holds it.
func (s *Side) Unname(name string) error {
	s.Netlink.Close()
	mount := filepath.Join(namedDir, name)
	return errors.Join(unix.Unmount(mount, unix.MNT_DETACH), os.Remove(mount), s.ns.Close())
}
