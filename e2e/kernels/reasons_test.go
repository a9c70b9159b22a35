// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var reasonRow = regexp.MustCompile(`(?m)^\| (Xfrm\w+) \| (\w+) \| (\w+) \|`)

// documentedNames are the names that docs/reasons.md tells operators to look
// for, as direction/reason, by the kernel's.
func documentedNames(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reasons.md"))
	require.NoError(t, err)
	names := map[string]string{}
	for _, row := range reasonRow.FindAllStringSubmatch(string(page), -1) {
		names[row[1]] = row[2] + "/" + row[3]
	}
	require.NotEmpty(t, names)
	return names
}
