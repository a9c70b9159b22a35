// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// rows are what the tests found, for docs/verification.md.
var rows []string

// verified notes what was seen. It is written only if all tests pass.
func verified(check, seen string, args ...any) {
	rows = append(rows, fmt.Sprintf("| %s | %s |\n", check, fmt.Sprintf(seen, args...)))
}

func writeReport() error {
	dir := os.Getenv("VERIFICATION_DIR")
	if dir == "" {
		return nil
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	release, _, _ := strings.Cut(strings.TrimSpace(string(kernel)), "-")
	versions := []string{"Linux " + release}
	for _, command := range []string{"kubelet --version", "etcd --version", "containerd --version", "runc --version"} {
		cmd := exec.Command(strings.Fields(command)[0], strings.Fields(command)[1:]...)
		out, err := cmd.CombinedOutput()
		version := regexp.MustCompile(`v?\d+\.\d+\.\d+`).FindString(string(out))
		if version == "" {
			return fmt.Errorf("%s: no version: %w %s", command, err, out)
		}
		name := filepath.Base(cmd.Path)
		if name == "kubelet" {
			name = "Kubernetes"
		}
		versions = append(versions, name+" "+version)
	}
	text := "\n## Kubernetes\n\nA single node: " + strings.Join(versions, ", ") + " and Debian's CNI plugins. " +
		"It runs in namespaces of its own, with cgroups of version " + cgroupVersion() + ".\n\n" +
		"| what was checked | what was seen |\n|---|---|\n" + strings.Join(rows, "")
	return os.WriteFile(filepath.Join(dir, "kubernetes.md"), []byte(text), 0o600)
}

func cgroupVersion() string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return "2"
	}
	return "1"
}
