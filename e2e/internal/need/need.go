// SPDX-License-Identifier: Apache-2.0

// Package need lets a test say what it cannot run without.
package need

import (
	"os"
	"os/exec"
	"testing"
)

// Skip skips a test that cannot run here, and fails it in CI, where all can.
func Skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("in CI nothing skips: ", why)
	}
	t.Skip(why)
}

// Program returns the path of a binary that the Makefile built and named in the
// environment variable. target is the make target that sets it.
func Program(t *testing.T, variable, target string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		Skip(t, variable+" is not set; run `make "+target+"`")
	}
	return path
}

// Tool skips where a program of the system is missing, and names the package
// that has it.
func Tool(t *testing.T, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Skip(t, "needs "+name+" (apt-get install "+pkg+")")
	}
}
