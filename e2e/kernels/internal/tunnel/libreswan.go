// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// Programs of the packages libreswan and libnss3-tools.
const (
	Pluto    = "/usr/libexec/ipsec/pluto"
	Whack    = "/usr/libexec/ipsec/whack"
	AddConn  = "/usr/libexec/ipsec/addconn" // Pluto does not start without it.
	Certutil = "/usr/bin/certutil"
)

// libreswan is a daemon. Two plutos live side by side, each with its own
// directories; they are configured by commands alone.
type libreswan struct{}

func (d libreswan) start(side *lab.Side, dir string, s settings) (*peer, error) {
	database := filepath.Join(dir, "nss")
	if err := os.MkdirAll(database, 0o750); err != nil {
		return nil, fmt.Errorf("configuring libreswan: %w", err)
	}
	for name, content := range map[string]string{
		"ipsec.conf":    "config setup\n",
		"ipsec.secrets": fmt.Sprintf("%s %s : PSK \"%s\"\n", s.local, s.remote, shared),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("configuring libreswan: %w", err)
		}
	}
	if err := command(exec.Command(Certutil, "-N", "-d", "sql:"+database, "--empty-password")); err != nil { //nolint:gosec // The arguments are ours.
		return nil, err
	}
	p, err := startPeer(side, dir, nil, Pluto, "--nofork", "--stderrlog", "--no-dnssec", "--nhelpers", "0",
		"--rundir", dir, "--config", filepath.Join(dir, "ipsec.conf"), "--ipsecdir", dir,
		"--secretsfile", filepath.Join(dir, "ipsec.secrets"), "--nssdir", database)
	if err != nil {
		return nil, err
	}
	err = wait("pluto answers", func() (bool, error) {
		err := p.whack("--listen")
		return err == nil, err
	})
	if err != nil {
		return p, err
	}
	for _, c := range s.children {
		if err := p.whack(d.connection(s, c)...); err != nil {
			return p, err
		}
	}
	return p, nil
}

// connection are the arguments that describe a pair of associations.
func (libreswan) connection(s settings, c child) []string {
	args := []string{
		"--name", c.name, "--ikev2", "--psk", "--encrypt", "--pfs", "--allow-narrowing",
		"--ike", "aes128-sha2_256-modp2048", "--esp", "aes128-sha2_256", "--replay-window", "32",
		"--reqid", strconv.Itoa(c.reqid),
		"--rekeymargin", "1", "--rekeyfuzz", "0", "--ipsec-lifetime", strconv.Itoa(1 + cmp.Or(s.rekey, 3600)),
	}
	if s.encap {
		args = append(args, "--encaps", "yes")
	}
	if s.ifID != 0 {
		args = append(args, "--ipsec-interface", strconv.Itoa(s.ifID))
	}
	if s.mark != 0 {
		args = append(args, "--conn-mark", fmt.Sprintf("%#x/0xffffffff", s.mark))
	}
	if s.local.To4() == nil {
		args = append(args, "--ipv6", "--tunnelipv4")
	}
	if !s.transport {
		args = append(args, "--tunnel")
	}
	for i, end := range []struct {
		host net.IP
		net  string
	}{{s.local, c.localNet}, {s.remote, c.remoteNet}} {
		if i > 0 {
			args = append(args, "--to")
		}
		args = append(args, "--host", end.host.String(), "--updown", "%disabled")
		if !s.transport {
			args = append(args, "--client", end.net)
		}
	}
	return args
}

func (libreswan) initiate(p *peer, child string) error { return p.whack("--initiate", "--name", child) }

func (libreswan) terminate(p *peer, children []child) error {
	for _, c := range children {
		if err := p.whack("--terminate", "--name", c.name); err != nil {
			return err
		}
	}
	return nil
}

// whack gives the daemon a command.
func (p *peer) whack(args ...string) error {
	return command(exec.Command(Whack, append([]string{"--rundir", p.dir}, args...)...)) //nolint:gosec // The arguments are ours.
}
