// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Kernel is an unpacked kernel of the archive.
type Kernel struct {
	Release string
	// Image is the path of vmlinuz, Modules the directory that has kernel/ and
	// modules.builtin.
	Image, Modules string
}

// The flavour for virtual machines is small, and has no drivers that a guest
// without network and disk would miss. Release candidates have rc in their name.
var kernelPackage = regexp.MustCompile(`^linux-image-([0-9]+\.[0-9]+[.-][0-9a-z.+-]*-cloud-amd64)$`)

// Releases returns the newest kernel release of each series, such as 6.12, and
// the newest of all.
func (c *Cache) Releases(series ...string) ([]string, error) {
	names, err := c.apt("apt-cache", "pkgnames", "linux-image-")
	if err != nil {
		return nil, err
	}
	best := map[string]string{}
	for name := range strings.Lines(names) {
		m := kernelPackage.FindStringSubmatch(strings.TrimSpace(name))
		if m == nil || strings.Contains(m[1], "rc") {
			continue
		}
		version := strings.SplitN(m[1], ".", 3)
		for _, key := range []string{"", version[0] + "." + strings.SplitN(version[1], "-", 2)[0]} {
			if newer(m[1], best[key]) {
				best[key] = m[1]
			}
		}
	}
	var releases []string
	for _, key := range append(series, "") {
		if best[key] == "" {
			return nil, fmt.Errorf("the archive offers no cloud kernel %s", key)
		}
		releases = append(releases, best[key])
	}
	return releases, nil
}

var digits = regexp.MustCompile(`[0-9]+`)

// newer compares releases by the numbers in them.
func newer(a, b string) bool {
	as, bs := digits.FindAllString(a, -1), digits.FindAllString(b, -1)
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x > y
		}
	}
	return len(as) > len(bs)
}

// Kernel downloads and unpacks a kernel, if it is not in the cache yet.
func (c *Cache) Kernel(release string) (Kernel, error) {
	dir := filepath.Join(c.dir, "kernels", release)
	if _, err := os.Stat(dir); err != nil {
		packages, err := c.parts("linux-image-"+release, release, nil)
		if err != nil {
			return Kernel{}, err
		}
		if err := c.unpack(dir, packages); err != nil {
			return Kernel{}, fmt.Errorf("getting the kernel %s: %w", release, err)
		}
	}
	k := Kernel{Release: release}
	for _, root := range []string{"", "usr/"} {
		modules := filepath.Join(dir, root+"lib/modules", release)
		if _, err := os.Stat(modules); err == nil {
			k.Modules = modules
		}
	}
	for _, image := range []string{filepath.Join(dir, "boot/vmlinuz-"+release), filepath.Join(k.Modules, "vmlinuz")} {
		if _, err := os.Stat(image); err == nil {
			k.Image = image
		}
	}
	if k.Image == "" || k.Modules == "" {
		return Kernel{}, fmt.Errorf("the packages of the kernel %s have no vmlinuz or no modules", release)
	}
	return k, nil
}

// parts are the packages that one kernel consists of: since 7.x linux-image-* is
// empty, and depends on others of the same release.
func (c *Cache) parts(name, release string, seen []string) ([]string, error) {
	for _, s := range seen {
		if s == name {
			return seen, nil
		}
	}
	seen = append(seen, name)
	out, err := c.apt("apt-cache", "depends", name)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		dependency, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: ")
		if ok && strings.HasSuffix(dependency, "-"+release) {
			if seen, err = c.parts(dependency, release, seen); err != nil {
				return nil, err
			}
		}
	}
	return seen, nil
}

// unpack downloads packages and unpacks them into a directory that appears only
// when all is done.
func (c *Cache) unpack(dir string, packages []string) error {
	download, err := os.MkdirTemp(c.dir, "download-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(download) }()
	for _, name := range packages {
		if _, err := c.apt("apt-get", "download", name); err != nil {
			return err
		}
		debs, err := filepath.Glob(filepath.Join(c.dir, "apt", "archives", name+"_*.deb"))
		if err != nil || len(debs) == 0 {
			return fmt.Errorf("apt-get download %s left no file", name)
		}
		for _, deb := range debs {
			if _, err := run("/", "dpkg-deb", "-x", deb, download); err != nil {
				return err
			}
			if err := os.Remove(deb); err != nil {
				return err
			}
		}
	}
	return os.Rename(download, dir)
}
