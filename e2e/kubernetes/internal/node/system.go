// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The addresses of the node, of its API server as pods reach it, and of pods.
const (
	Address        = "192.0.2.1"
	ServiceAddress = "10.96.0.1"
	serviceRange   = "10.96.0.0/24"
	podRange       = "10.244.0.0/24"
)

// settings are those of the kernel that kubelet would set, for the whole machine.
// It is shown that they have its values already.
var settings = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

// prepare makes a machine of the new namespaces: its file systems, and its network.
func prepare(writable string) error {
	// Nothing that is mounted here may reach the machine, but everything the pods.
	for _, flag := range []uintptr{syscall.MS_PRIVATE, syscall.MS_SHARED} {
		if err := syscall.Mount("", "/", "", flag|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("propagation of mounts: %w", err)
		}
	}
	if err := mount("proc", "/proc", "proc", ""); err != nil {
		return err
	}
	hierarchies, err := findHierarchies()
	if err != nil {
		return err
	}
	if err := mount("sysfs", "/sys", "sysfs", ""); err != nil {
		return err
	}
	if err := mountCgroups(hierarchies); err != nil {
		return err
	}
	for _, directory := range []string{"/run", "/var/lib", "/var/log"} {
		if err := mount("tmpfs", directory, "tmpfs", "mode=755"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(Directory, "tmp"), 0o750); err != nil {
		return err
	}
	// Nothing is left in the file system of the machine.
	if writable != "" {
		if err := syscall.Mount(writable, writable, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", writable, err)
		}
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make / read-only: %w", err)
	}
	for name, value := range settings {
		file := filepath.Join(Directory, filepath.Base(name))
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			return err
		}
		if err := syscall.Mount(file, filepath.Join("/proc/sys", name), "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("/proc/sys/%s: %w", name, err)
		}
	}
	for _, command := range []string{
		"link set lo up",
		"address add " + ServiceAddress + "/32 dev lo",
		// Not all kernels have dummy interfaces.
		"link add node0 type veth peer name node1",
		"link set node0 up", "link set node1 up",
		"address add " + Address + "/24 dev node0",
		"route add default via 192.0.2.254",
	} {
		out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput() //nolint:gosec // the commands above
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	return nil
}

func mount(source, target, filesystem, options string) error {
	if err := syscall.Mount(source, target, filesystem, 0, options); err != nil {
		return fmt.Errorf("mount %s at %s: %w", filesystem, target, err)
	}
	return nil
}
