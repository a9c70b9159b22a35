// SPDX-License-Identifier: Apache-2.0

// Package archive gets Debian packages through apt into a cache. It uses the
// mirror of the machine's own apt configuration, also for neighbouring releases,
// and installs nothing.
package archive

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Cache is a directory with packages and with the lists that apt needs.
type Cache struct {
	dir string
}

// fresh is for how long downloaded package lists are good.
const fresh = 24 * time.Hour

// Open makes or opens the cache: XFRM_E2E_CACHE, else a folder of the user's
// cache directory. It downloads the package lists if they are old.
func Open() (*Cache, error) {
	dir := os.Getenv("XFRM_E2E_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding the cache directory: %w", err)
		}
		dir = filepath.Join(base, "xfrmreceiver-e2e")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the cache directory: %w", err)
	}
	c := &Cache{dir: dir}
	for _, sub := range []string{"lists/partial", "apt/archives/partial", "kernels", "trees"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			return nil, fmt.Errorf("making the cache: %w", err)
		}
	}
	// An empty list of installed packages: apt then resolves every dependency.
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o600); err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	if err := c.update(); err != nil {
		return nil, err
	}
	return c, nil
}

// update downloads the package lists. A suite that the mirror does not carry is
// no error: what is missing shows when a package is asked for.
func (c *Cache) update() error {
	stamp := filepath.Join(c.dir, "updated")
	if info, err := os.Stat(stamp); err == nil && time.Since(info.ModTime()) < fresh {
		return nil
	}
	list, err := sources()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.sourcesFile(), []byte(list), 0o600); err != nil {
		return fmt.Errorf("writing the sources list: %w", err)
	}
	if _, err := c.apt("apt-get", "update"); err != nil {
		found, _ := filepath.Glob(filepath.Join(c.dir, "lists", "*_Packages*"))
		if len(found) == 0 {
			return err
		}
	}
	return os.WriteFile(stamp, nil, 0o600)
}

func (c *Cache) sourcesFile() string { return filepath.Join(c.dir, "sources.list") }

// apt runs an apt tool on the cache instead of the system.
func (c *Cache) apt(tool string, args ...string) (string, error) {
	options := []string{
		"-o", "Dir::Etc::sourcelist=" + c.sourcesFile(),
		"-o", "Dir::Etc::sourceparts=/dev/null",
		"-o", "Dir::State::lists=" + filepath.Join(c.dir, "lists"),
		"-o", "Dir::State::status=" + filepath.Join(c.dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(c.dir, "apt"),
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "APT::Sandbox::User=root",
	}
	return run(filepath.Join(c.dir, "apt", "archives"), tool, append(options, args...)...)
}

// run runs a program and returns what it printed.
func run(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[len(args)-1], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
