// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
)

// Programs of the packages libreswan and libnss3-tools.
const (
	Pluto    = "/usr/libexec/ipsec/pluto"
	Whack    = "/usr/libexec/ipsec/whack"
	AddConn  = "/usr/libexec/ipsec/addconn"
	Certutil = "/usr/bin/certutil"
)

// Scripts are the commands that operators use. They need a shell.
var Scripts = []string{"/usr/sbin/ipsec", "/usr/libexec/ipsec/auto"}

// libreswan is a daemon. Two plutos live side by side, each with its own
// directories.
type libreswan struct{}

var ipsecConfig = template.Must(template.New("").Parse(`
config setup
{{range .Children}}
conn {{.Name}}
  authby=secret
  ike=aes128-sha2_256-modp2048
  esp={{or $.Cipher "aes128"}}-sha2_256
  replay-window=32
  rekeymargin=1s
  rekeyfuzz=0%
  salifetime={{$.Lifetime}}s
  left={{$.Local}}
  leftupdown=%disabled
  right={{$.Remote}}
  {{- if .Reqid}}
  reqid={{.Reqid}}
  {{- end}}
  {{- if $.Transport}}
  type=transport
  {{- else}}
  leftsubnet={{.LocalNet}}
  rightsubnet={{.RemoteNet}}
  {{- end}}
  {{- if $.Encap}}
  encapsulation=yes
  {{- end}}
  {{- with $.IfID}}
  ipsec-interface={{.}}
  {{- end}}
  {{- with $.Mark}}
  mark={{printf "%#x" .}}/0xffffffff
  {{- end}}
{{end}}`))

// configure writes a side's configuration into its directory.
func (libreswan) configure(dir string, s settings) error {
	secrets := fmt.Appendf(nil, "%s %s : PSK \"%s\"\n", s.local, s.remote, cmp.Or(s.secret, shared))
	if err := os.WriteFile(filepath.Join(dir, "ipsec.secrets"), secrets, 0o600); err != nil {
		return fmt.Errorf("configuring libreswan: %w", err)
	}
	return s.write(ipsecConfig, filepath.Join(dir, "ipsec.conf"))
}

func (d libreswan) start(side *lab.Side, dir string, s settings) (*peer, error) {
	database := filepath.Join(dir, "nss")
	if err := errors.Join(empty(dir), os.MkdirAll(database, 0o750), d.configure(dir, s)); err != nil {
		return nil, fmt.Errorf("configuring libreswan: %w", err)
	}
	out, err := exec.Command(Certutil, "-N", "-d", "sql:"+database, "--empty-password").CombinedOutput() //nolint:gosec // The arguments are ours.
	if err != nil {
		return nil, fmt.Errorf("making a database of keys: %w: %s", err, out)
	}
	config := filepath.Join(dir, "ipsec.conf")
	p, err := startPeer(side, dir, []string{"IPSEC_RUNDIR=" + dir, "IPSEC_CONF=" + config},
		Pluto, "--nofork", "--stderrlog", "--no-dnssec", "--nhelpers", "0", "--rundir", dir, "--config", config,
		"--ipsecdir", dir, "--secretsfile", filepath.Join(dir, "ipsec.secrets"), "--nssdir", database)
	if err != nil {
		return nil, err
	}
	err = wait("pluto answers", func() (bool, error) {
		err := p.do("ipsec whack --listen")
		return err == nil, err
	})
	if err != nil {
		return p, err
	}
	return p, d.load(p, s)
}

func (d libreswan) load(p *peer, s settings) error {
	if err := errors.Join(d.configure(p.dir, s), p.do("ipsec auto --rereadsecrets")); err != nil {
		return err
	}
	operation := "--replace"
	if s.trap {
		operation = "--ondemand"
	}
	for _, c := range s.children {
		if err := p.do("ipsec auto --config " + p.dir + "/ipsec.conf " + operation + " " + c.name); err != nil {
			return err
		}
	}
	return nil
}

func (libreswan) up(child string) string { return "ipsec auto --up " + child }

func (libreswan) rekey(child string) string { return "ipsec whack --rekey-ipsec --name " + child }

func (d libreswan) again(p *peer, children []child) error {
	for _, c := range children {
		if err := errors.Join(p.do("ipsec auto --config "+p.dir+"/ipsec.conf --replace "+c.name), p.do(d.up(c.name))); err != nil {
			return err
		}
	}
	return nil
}

func (libreswan) terminate(p *peer, children []child) error {
	for _, c := range children {
		if err := p.do("ipsec auto --down " + c.name); err != nil {
			return err
		}
	}
	return nil
}
