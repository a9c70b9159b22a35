// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

const (
	// DefaultDirectory is where ip(8) mounts the namespaces that it names.
	DefaultDirectory = "/run/netns"

	// DefaultLimit is how many namespaces are read at most.
	DefaultLimit = 10_000
)

// Options say which namespaces a Source reads. It always reads the main one.
type Options struct {
	// Root is where the root file system of the host is mounted. The main
	// namespace is then that of the host's PID 1, and all other paths are below
	// Root. Empty means the namespace of this process.
	Root string
	// Proc is where proc is mounted below Root; empty means /proc.
	Proc string
	// Processes adds every namespace that a visible process is in.
	Processes bool
	// Named adds namespaces that are bind-mounted in directories.
	Named Named
	// WithoutStatistics visits the namespaces also if the kernel has no XFRM
	// statistics.
	WithoutStatistics bool
	// Limit bounds how many namespaces are read; 0 means DefaultLimit.
	Limit int
}

// Named selects namespaces by name.
type Named struct {
	// Include and Exclude are patterns for names, with *, ?, [a-z], [!a] and
	// {a,b} as in a shell (doublestar.Match). A name is selected if it matches
	// one of Include and none of Exclude.
	Include, Exclude []string
	// Directories hold the mounts; empty means DefaultDirectory.
	Directories []string
}

// Validate returns one error for each value that is not allowed. It names the
// key, the value and what is expected.
func (n Named) Validate() []error {
	var errs []error
	for _, list := range []struct {
		key      string
		patterns []string
	}{{"include", n.Include}, {"exclude", n.Exclude}} {
		for _, pattern := range list.patterns {
			switch {
			case pattern == "":
				errs = append(errs, fmt.Errorf(`%q: contains an empty pattern, expected one such as "vpn-*"`, list.key))
			case !doublestar.ValidatePattern(pattern):
				errs = append(errs, fmt.Errorf(`%q: %q is not a valid pattern, expected one such as "vpn-*", with *, ?, [a-z], [!a] and {a,b} as in a shell`,
					list.key, pattern))
			case strings.Contains(pattern, "/"):
				errs = append(errs, fmt.Errorf(`%q: %q contains a slash, expected a pattern for names; "directories" says where they are`,
					list.key, pattern))
			}
		}
	}
	if len(n.Exclude) > 0 && len(n.Include) == 0 {
		errs = append(errs, errors.New(`"include": is empty while "exclude" is set, expected at least one pattern, for example "*"`))
	}
	for _, dir := range n.Directories {
		if !strings.HasPrefix(dir, "/") {
			errs = append(errs, fmt.Errorf(`"directories": %q is relative, expected an absolute path`, dir))
		}
	}
	return errs
}

// matches reports whether a name is selected. The patterns are valid.
func (n Named) matches(name string) bool {
	match := func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, name) }
	return slices.ContainsFunc(n.Include, match) && !slices.ContainsFunc(n.Exclude, match)
}
