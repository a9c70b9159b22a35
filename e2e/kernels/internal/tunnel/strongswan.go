// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"

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

// strongSwan is a daemon.
type strongSwan struct{}

// swanctl shall not look for plugins that are not there.
const daemonConfig = `
charon {
  load = random nonce aes sha1 sha2 hmac kdf gmp kernel-netlink socket-default vici
  install_routes = no
  retransmit_tries = 2
  filelog {
    log {
      path = %[1]s/charon.log
      flush_line = yes
    }
  }
  plugins {
    vici {
      socket = unix://%[1]s/vici
    }
  }
}
swanctl {
  load = random
  socket = unix://%[1]s/vici
}
`

var connectionConfig = template.Must(template.New("").Parse(`
connections {
  tunnel {
    version = 2
    local_addrs = {{.Local}}, %any
    remote_addrs = {{.Remote}}
    proposals = aes128-sha256-modp2048
    encap = {{if .Encap}}yes{{else}}no{{end}}
    local {
      auth = psk
      id = {{.Local}}
    }
    remote {
      auth = psk
      id = {{.Remote}}
    }
    children {
      {{- range .Children}}
      {{.Name}} {
        mode = {{if $.Transport}}transport{{else}}tunnel{{end}}
        rekey_time = {{$.Rekey}}s
        rand_time = 0s
        life_time = 2h
        reqid = {{.Reqid}}
        {{- if not $.Transport}}
        local_ts = {{.LocalNet}}
        remote_ts = {{.RemoteNet}}
        {{- end}}
        {{- with $.IfID}}
        if_id_in = {{.}}
        if_id_out = {{.}}
        {{- end}}
        {{- with $.Mark}}
        mark_in = {{.}}
        mark_out = {{.}}
        mark_in_sa = yes
        {{- end}}
        esp_proposals = {{or $.Cipher "aes128"}}-sha256
        replay_window = 32
        start_action = {{if $.Trap}}trap{{else}}none{{end}}
      }
      {{- end}}
    }
  }
}
secrets {
  ike-tunnel {
    id-1 = {{.Local}}
    id-2 = {{.Remote}}
    secret = "{{.Secret}}"
  }
}
`))

// configure writes a side's configuration into its directory.
func (strongSwan) configure(dir string, s settings) error {
	err := os.WriteFile(filepath.Join(dir, "strongswan.conf"), fmt.Appendf(nil, daemonConfig, dir), 0o600)
	if err != nil {
		return fmt.Errorf("configuring strongSwan: %w", err)
	}
	return s.write(connectionConfig, filepath.Join(dir, "swanctl.conf"))
}

func (d strongSwan) start(side *lab.Side, dir string, s settings) (*peer, error) {
	if err := errors.Join(empty(dir), d.configure(dir, s)); err != nil {
		return nil, err
	}
	p, err := startPeer(side, dir, []string{"STRONGSWAN_CONF=" + filepath.Join(dir, "strongswan.conf")}, Charon)
	if err != nil {
		return nil, err
	}
	err = wait("charon answers", func() (bool, error) {
		conn, err := net.Dial("unix", filepath.Join(dir, "vici"))
		if err == nil {
			_ = conn.Close()
		}
		return err == nil, err
	})
	if err != nil {
		return p, err
	}
	return p, d.load(p, s)
}

func (d strongSwan) load(p *peer, s settings) error {
	return errors.Join(d.configure(p.dir, s), p.do("swanctl --load-all --noprompt --file "+p.dir+"/swanctl.conf"))
}

func (strongSwan) up(child string) string { return "swanctl --initiate --child " + child }

func (strongSwan) rekey(child string) string { return "swanctl --rekey --child " + child }

func (d strongSwan) again(p *peer, children []child) error {
	return errors.Join(d.terminate(p, children), p.do(d.up(children[0].name)))
}

func (strongSwan) terminate(p *peer, _ []child) error {
	return p.do("swanctl --terminate --ike tunnel")
}
