// SPDX-License-Identifier: Apache-2.0

package events

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// secrecy is what the collector must not get.
func secrecy() []Step {
	return []Step{
		{
			Name: "audit records that hold the command line of ip xfrm state add, with a key",
			None: []string{"xfrm.packet.dropped"},
			Run: func(w *World) error {
				// In text, as ip(8) wants it. PROCTITLE has that in hexadecimal again.
				key := hex.EncodeToString(traffic.Secret(3))
				w.Audit.CommandLines()
				err := w.Audit.WatchCommands(func() error {
					// What the program does is of no interest: this one only complains.
					err := exec.Command("/init", "xfrm", "state", "add", "0x"+key).Run() //nolint:gosec // The key is ours.
					if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
						return nil
					}
					return fmt.Errorf("running a program: %w", err)
				})
				if err != nil {
					return err
				}
				w.Settle()
				if n := w.Audit.CommandLines(); n == 0 {
					return errors.New("no record had a command line")
				}
				for _, text := range []string{key, strings.ToUpper(hex.EncodeToString([]byte(key)))} {
					found, own, err := w.Search([]byte(text))
					if err != nil || found > 0 || own == 0 {
						return fmt.Errorf("the key is in %d places of the collector, and %d of this program: %w", found, own, err)
					}
				}
				return nil
			},
		},
		{
			Name: "the groups of the collector's sockets, before, while and after somebody listens to acquires",
			Run: func(w *World) error {
				// As bits: EXPIRE, SA, POLICY, MAPPING, and the one that tells the
				// receivers from IKE daemons; READLOG of audit.
				alone := map[string]uint64{"xfrm": 0x8000008e, "audit": 1}
				beside := map[string]uint64{"xfrm": 0x8000008f, "audit": 1}
				if err := w.isMember(alone); err != nil {
					return err
				}
				daemon, err := w.Here.JoinXFRM(1) // XFRMNLGRP_ACQUIRE
				if err != nil {
					return err
				}
				w.Settle()
				err = w.isMember(beside)
				daemon.Close()
				w.Settle()
				return errors.Join(err, w.isMember(alone))
			},
		},
	}
}

// isMember compares the groups of all netlink sockets of the collector with those
// that it needs.
func (w *World) isMember(wanted map[string]uint64) error {
	got, err := groups(w.Collector())
	if err == nil && !maps.Equal(got, wanted) {
		err = fmt.Errorf("the collector is a member of %x, and not of %x", got, wanted)
	}
	return err
}

// groups are those of which a process' sockets are members, as bits by protocol.
func groups(pid int) (map[string]uint64, error) {
	descriptors, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, descriptor := range descriptors {
		if target, err := os.Readlink(descriptor); err == nil {
			own[target] = true
		}
	}
	content, err := os.ReadFile("/proc/net/netlink")
	if err != nil {
		return nil, err
	}
	names := map[string]string{"6": "xfrm", "9": "audit"}
	members := map[string]uint64{}
	for line := range strings.Lines(string(content)) {
		// sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops, Inode
		fields := strings.Fields(line)
		if len(fields) < 10 || !own["socket:["+fields[9]+"]"] {
			continue
		}
		bits, err := strconv.ParseUint(fields[3], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("the groups in %q: %w", line, err)
		}
		name := names[fields[1]]
		if name == "" {
			name = "protocol " + fields[1]
		}
		if bits != 0 {
			members[name] |= bits
		}
	}
	return members, nil
}
