package netns

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// DefaultDirectory is where ip(8) mounts the namespaces that it names.
const DefaultDirectory = "/run/netns"

// Options say which namespaces a Source reads. The main one is always read.
type Options struct {
	// Root is where the root file system of the host is mounted. The main
	// namespace is then that of the host's PID 1, and all other paths lie below
	// Root. Empty means this process's own namespace.
	Root string
	// Proc is where proc is mounted below Root; empty means /proc.
	Proc string
	// Processes asks for every namespace in which a visible process lives.
	Processes bool
	// Named asks for namespaces that are bind-mounted into directories.
	Named Named
}

// Named chooses namespaces by name.
type Named struct {
	// Include and Exclude are patterns of path.Match over the names. A name is
	// chosen if it matches one of the first and none of the second.
	Include, Exclude []string
	// Directories hold the mounts; empty means DefaultDirectory.
	Directories []string
}

// Validate names each option that is not allowed, and what is.
func (n Named) Validate() []error {
	var errs []error
	for _, list := range []struct {
		key      string
		patterns []string
	}{{"include", n.Include}, {"exclude", n.Exclude}} {
		for _, pattern := range list.patterns {
			if pattern == "" {
				errs = append(errs, fmt.Errorf(`%q: has an empty pattern, expected one like "vpn-*"`, list.key))
			} else if _, err := path.Match(pattern, ""); err != nil {
				errs = append(errs, fmt.Errorf(`%q: %q is no pattern, expected one like "vpn-*", with *, ? and [a-z] as in a shell`,
					list.key, pattern))
			}
		}
	}
	if len(n.Exclude) > 0 && len(n.Include) == 0 {
		errs = append(errs, fmt.Errorf(`"include": is empty while "exclude" is set, expected at least one pattern, for example "*"`))
	}
	for _, dir := range n.Directories {
		if !strings.HasPrefix(dir, "/") {
			errs = append(errs, fmt.Errorf(`"directories": %q is relative, expected an absolute path`, dir))
		}
	}
	return errs
}

// matches reports whether a name is chosen. The patterns are valid.
func (n Named) matches(name string) bool {
	match := func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	}
	return slices.ContainsFunc(n.Include, match) && !slices.ContainsFunc(n.Exclude, match)
}
