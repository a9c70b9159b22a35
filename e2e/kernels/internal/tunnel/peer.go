// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// Programs of the packages strongswan-charon and strongswan-swanctl.
const (
	Charon  = "/usr/lib/ipsec/charon"
	Swanctl = "/usr/sbin/swanctl"
	// PluginDir has the plugins that the configuration loads.
	PluginDir = "/usr/lib/ipsec/plugins"
)

// Plugins are the names in the daemon's configuration.
var Plugins = []string{"random", "nonce", "aes", "sha1", "sha2", "hmac", "kdf", "gmp", "kernel-netlink", "socket-default", "vici"}

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

// startPeer starts a daemon in the side's namespace and loads its configuration.
func startPeer(side *lab.Side, dir string) (*peer, error) {
	p := &peer{side: side, dir: dir}
	output, err := os.Create(filepath.Join(dir, "charon.out"))
	if err != nil {
		return nil, fmt.Errorf("starting charon: %w", err)
	}
	defer output.Close()
	p.cmd = exec.Command("/proc/self/exe", EnterCommand, Charon)
	p.cmd.Env = []string{"STRONGSWAN_CONF=" + filepath.Join(dir, "strongswan.conf")}
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	// The child is forked from the calling thread, and so in its namespace.
	if err := side.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("starting charon: %w", err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if conn, err := net.Dial("unix", filepath.Join(dir, "vici")); err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("charon does not start: %s", p.log())
		}
	}
	return p, p.swanctl("--load-all", "--noprompt", "--file", filepath.Join(dir, "swanctl.conf"))
}

// swanctl gives the daemon a command.
func (p *peer) swanctl(args ...string) error {
	cmd := exec.Command(Swanctl, append(args, "--uri", "unix://"+filepath.Join(p.dir, "vici"))...) //nolint:gosec // The arguments are ours.
	cmd.Env = p.cmd.Env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("swanctl %s: %w: %s; charon: %s", args[0], err, out, p.log())
	}
	return nil
}

// log is the end of what the daemon wrote.
func (p *peer) log() string {
	var all []byte
	for _, name := range []string{"charon.out", "charon.log"} {
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
		return fmt.Errorf("ending charon: %w", err)
	}
	// How it ends is of no interest; that it has is.
	_ = p.cmd.Wait()
	return nil
}
