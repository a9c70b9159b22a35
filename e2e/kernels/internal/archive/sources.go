// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// mirrorSuites and securitySuites are the releases in which kernels are looked
// for.
var (
	mirrorSuites = []string{
		"bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "forky", "sid", "experimental",
	}
	securitySuites = []string{"bullseye-security", "bookworm-security", "trixie-security"}
)

// keyring comes with the package debian-archive-keyring and has the keys of all
// releases.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// sources makes a sources list of all suites from the mirror that the machine's
// own configuration names for its own release.
func sources() (string, error) {
	codename, err := codename()
	if err != nil {
		return "", err
	}
	out, err := run("/", "apt-get", "indextargets", "--no-release-info", "--format",
		"$(RELEASE) $(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return "", err
	}
	suites := map[string][]string{codename: mirrorSuites, codename + "-security": securitySuites}
	var list strings.Builder
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 2 || suites[fields[0]] == nil {
			continue
		}
		for _, suite := range suites[fields[0]] {
			fmt.Fprintf(&list, "deb [signed-by=%s] %s %s main\n", keyring, fields[1], suite)
		}
		delete(suites, fields[0]) // It is there once for each architecture and component.
	}
	if suites[codename] != nil {
		return "", errors.New("apt's configuration names no mirror for " + codename)
	}
	return list.String(), nil
}

// codename is that of the Debian release that runs here.
func codename() (string, error) {
	file, err := os.Open("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("finding this machine's release: %w", err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", errors.New("/etc/os-release has no VERSION_CODENAME")
}
