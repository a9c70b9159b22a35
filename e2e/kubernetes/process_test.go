// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is a program on the node. It ends with the test.
type process struct {
	cmd *exec.Cmd
	log string
}

// run starts a program. What it printed is shown if the test fails.
func run(t *testing.T, environment []string, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(p.log)
	require.NoError(t, err)
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		p.kill()
		if content, err := os.ReadFile(p.log); t.Failed() && err == nil {
			t.Logf("%s printed:\n%s", name, content)
		}
	})
	return p
}

// kill ends the program, if it did not end before.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
