// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Newer is a Tree of a package of this machine's backports, or of its release if
// they do not have it.
func (c *Cache) Newer(name string) (string, error) {
	codename, err := codename()
	if err != nil {
		return "", err
	}
	if tree, err := c.Tree(name + "/" + codename + "-backports"); err == nil {
		return tree, nil
	}
	return c.Tree(name)
}

// Tree downloads packages of this machine's release with all that they depend
// on, down to the C library, and returns a directory in which they are unpacked.
func (c *Cache) Tree(packages ...string) (string, error) {
	dir := filepath.Join(c.dir, "trees", strings.ReplaceAll(strings.Join(packages, "+"), "/", "_"))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	codename, err := codename()
	if err != nil {
		return "", err
	}
	// Without locking: what is locked is the system's dpkg, which has no part in this.
	args := append([]string{
		"-o", "APT::Default-Release=/^" + codename + "(-security|-updates)?$/",
		"-o", "Debug::NoLocking=true", "-y", "--no-install-recommends", "--download-only", "install",
	}, packages...)
	if _, err := c.apt("apt-get", args...); err != nil {
		return "", err
	}
	debs, err := filepath.Glob(filepath.Join(c.dir, "apt", "archives", "*.deb"))
	if err != nil || len(debs) == 0 {
		return "", fmt.Errorf("apt-get left no packages for %s", strings.Join(packages, " "))
	}
	unpacked, err := os.MkdirTemp(c.dir, "download-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(unpacked) }()
	for _, deb := range debs {
		if _, err := run("/", "dpkg-deb", "-x", deb, unpacked); err != nil {
			return "", err
		}
		if err := os.Remove(deb); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(unpacked, dir)
}
