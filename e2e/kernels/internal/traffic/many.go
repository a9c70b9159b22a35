// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bytes"
	"errors"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// Many are 10,000 associations at once.
func Many() []Step {
	return []Step{
		{
			Name: "10,000 associations, and others that come and go",
			Expect: report.Series{
				"here tunnel.packet.count inbound 30": 21, "here tunnel.packet.count outbound 30": 22,
				"here tunnel.sa.created inbound 1000": 100, "here tunnel.sa.created inbound 1099": 100,
				"here tunnel.sa.created inbound 32": 1_000,
			},
			After: report.Series{
				"here sa.count": 10_002, "here tunnel.sa.count inbound 1000": 100, "here tunnel.sa.count inbound 1099": 100,
				"here tunnel.sa.count inbound 32": 0,
			},
			Run: func(w *World) (report.Series, error) {
				if err := w.pair(0x7000, 30); err != nil {
					return nil, err
				}
				// The kernel looks at all that have the same addresses and reqid when it adds
				// one.
				for i := range 10_000 {
					if err := w.Here.Add(Manual(w.There, w.Here, 0x200000+i, 1000+i%100)); err != nil {
						return nil, err
					}
				}
				for i := range 1_000 {
					sa := Manual(w.There, w.Here, 0x300000+i, 32)
					if err := errors.Join(w.Here.Add(sa), w.Here.Netlink.XfrmStateDel(sa)); err != nil {
						return nil, err
					}
				}
				return nil, w.both(21, 22)
			},
		},
	}
}

// limit are more tunnels than the collectors remember. It comes last: it makes them
// forget others.
func limit() []Step {
	return []Step{
		{
			Name: "250 tunnels, 50 more than the limit that is configured",
			// What has no reqid is all of those beyond the limit.
			Expect: report.Series{"here tunnel.sa.created inbound": 50},
			After:  report.Series{"here tunnel.sa.count inbound": 50},
			Logs:   "more tunnels than tunnels::limit",
			Run: func(w *World) (report.Series, error) {
				for i := range 250 {
					if err := w.Here.Add(Manual(w.There, w.Here, 0x400000+i, 20_000+i)); err != nil {
						return nil, err
					}
				}
				return nil, nil
			},
		},
	}
}

// Lockdown are the steps of a kernel that was booted with lockdown=confidentiality.
func Lockdown() []Step {
	return append([]Step{{
		Name: "the kernel hides keys",
		Run: func(w *World) (report.Series, error) {
			if err := w.pair(0x7100, 0); err != nil {
				return nil, err
			}
			sa, err := w.Here.Netlink.XfrmStateGet(Manual(w.There, w.Here, 0x7100, 0))
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(sa.Crypt.Key, make([]byte, len(Secret(2)))) {
				return nil, errors.New("it shows them")
			}
			return nil, lab.Deliver(w.There, w.Here, w.Here.Addr, port, 1)
		},
	}}, append(counting(), ending()...)...)
}
