// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// runMistakes builds a tunnel for each mistake, makes it, runs the commands that the
// runbook has for it, and does what the runbook says.
func runMistakes(mistakes []tunnel.Mistake) error {
	l, err := lab.New()
	if err != nil {
		return err
	}
	if err := tunnel.Prepare(l); err != nil {
		return err
	}
	o, err := startObservers()
	if err != nil {
		return err
	}
	for _, m := range mistakes {
		err := m.Run(l, func(t *tunnel.Tunnel, do func() error) error {
			err := o.step(m.Name, m.Expect, do, func() map[string]string { return t.Confirm(m.Confirm) })
			if err != nil {
				return err
			}
			return o.step(tunnel.Remedied+m.Name, nil, func() error { return m.Remedy(t) }, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
