// SPDX-License-Identifier: Apache-2.0

// Package tunnel builds a real IPsec tunnel between the lab's two sides: each
// runs strongSwan's charon, they negotiate with IKEv2 and a shared secret. Then
// it makes the mistakes that operators make.
package tunnel

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// network is a side's private network; its first address is the side's.
type network struct{ address, net string }

var (
	hereNetwork  = network{"10.1.0.1", "10.1.0.0/24"}
	thereNetwork = network{"10.2.0.1", "10.2.0.0/24"}
)

// settings are what differs from mistake to mistake in a side's configuration.
type settings struct {
	// localNet and remoteNet are the traffic selectors.
	localNet, remoteNet string
	// trap installs policies before there is a tunnel; the first packet asks for it.
	trap bool
	// rekey is after how many seconds the associations are replaced, 0 for the
	// default of an hour.
	rekey int
	// encap forces UDP encapsulation, as behind a NAT.
	encap bool
	// reqid is set in the configuration, 0 leaves it to the daemon.
	reqid int
	// mode is tunnel if empty.
	mode string
}

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
`

// swanctl shall not look for plugins that are not there.
const toolConfig = `
swanctl {
  load = random
}
`

const connectionConfig = `# %[1]s/swanctl.conf
connections {
  tunnel {
    version = 2
    local_addrs = %[2]s, %%any
    remote_addrs = %[3]s
    proposals = aes128-sha256-modp2048
    encap = %[7]s
    local {
      auth = psk
      id = %[2]s
    }
    remote {
      auth = psk
      id = %[3]s
    }
    children {
      net {
        mode = %[8]s
        rekey_time = %[9]ds
        rand_time = 0s
        life_time = 2h
        reqid = %[10]d
        local_ts = %[4]s
        remote_ts = %[5]s
        esp_proposals = aes128-sha256
        replay_window = 32
        start_action = %[6]s
      }
    }
  }
}
secrets {
  ike-tunnel {
    id-1 = %[2]s
    id-2 = %[3]s
    secret = "not a secret"
  }
}
`

// write writes a side's configuration into its directory.
func (s settings) write(dir string, local, remote net.IP) error {
	action := "none"
	if s.trap {
		action = "trap"
	}
	mode, encap, rekey := cmp.Or(s.mode, "tunnel"), "no", cmp.Or(s.rekey, 3600)
	if s.encap {
		encap = "yes"
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("configuring strongSwan: %w", err)
	}
	for name, content := range map[string]string{
		"strongswan.conf": fmt.Sprintf(daemonConfig, dir) + toolConfig,
		"swanctl.conf": fmt.Sprintf(connectionConfig, dir, local, remote, s.localNet, s.remoteNet, action,
			encap, mode, rekey, s.reqid),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("configuring strongSwan: %w", err)
		}
	}
	return nil
}
