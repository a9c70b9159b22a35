// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// daemon is an implementation of IKE.
type daemon interface {
	// start starts it in the side's namespace and loads its configuration. A
	// daemon that runs is returned with an error too.
	start(side *lab.Side, dir string, s settings) (*peer, error)
	// load makes a daemon that runs read another configuration.
	load(p *peer, s settings) error
	// up is the command that builds a pair of associations.
	up(child string) string
	// rekey is the one that replaces it.
	rekey(child string) string
	// again takes all down and builds it anew.
	again(p *peer, children []child) error
	// terminate takes all down, and tells the other side.
	terminate(p *peer, children []child) error
}

// EnterCommand makes the guest's program start a daemon: see Enter.
const EnterCommand = "enter"

// Enter gives the process a /run of its own and becomes the program that the
// arguments name. Two charons would fight over one /run/charon.pid. The process
// must have been started with a mount namespace of its own.
func Enter(args []string) error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	return unix.Exec(args[0], args, os.Environ())
}

// peer is a side with its IKE daemon.
type peer struct {
	side *lab.Side
	dir  string
	cmd  *exec.Cmd
}

// startPeer starts a program in the side's namespace.
func startPeer(side *lab.Side, dir string, env []string, program ...string) (*peer, error) {
	p := &peer{side: side, dir: dir}
	output, err := os.Create(filepath.Join(dir, "daemon.out"))
	if err != nil {
		return nil, fmt.Errorf("starting a daemon: %w", err)
	}
	defer output.Close()
	p.cmd = exec.Command("/proc/self/exe", append([]string{EnterCommand}, program...)...) //nolint:gosec // The programs are ours.
	p.cmd.Env = append([]string{}, env...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	// The child is forked from the calling thread, and so in its namespace.
	if err := side.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting a daemon: %w", err)
	}
	return p, nil
}

// run runs a command in the side's namespace, and returns what it prints.
func (p *peer) run(line string) (string, error) {
	args := strings.Fields(line)
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec // The commands are ours.
	cmd.Env = append(os.Environ(), p.cmd.Env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// The child is forked from the calling thread, and so in its namespace.
	err := p.side.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		err = fmt.Errorf("%q: %w: %s", line, err, out.String())
	}
	return out.String(), err
}

// do runs a command that tells the daemon what to do.
func (p *peer) do(line string) error {
	_, err := p.run(line)
	return err
}

// log is the end of what the daemon wrote.
func (p *peer) log() string {
	var all []byte
	for _, name := range []string{"daemon.out", "charon.log"} {
		content, _ := os.ReadFile(filepath.Join(p.dir, name))
		all = append(all, content...)
	}
	return string(all[max(0, len(all)-3000):])
}

// end ends the daemon with a signal and waits for it. With SIGTERM it tells the
// other side that the tunnel is gone.
func (p *peer) end(signal syscall.Signal) error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("ending a daemon: %w", err)
	}
	// How it ends is of no interest; that it has is.
	_ = p.cmd.Wait()
	return nil
}
