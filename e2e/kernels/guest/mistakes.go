// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/tunnel"
)

// runMistakes builds a tunnel with strongSwan for each mistake, and makes it.
func runMistakes() error {
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
	for _, mistake := range tunnel.Mistakes() {
		err := mistake.Run(l, func(do func() error) error { return o.step(mistake.Name, mistake.Expect, do) })
		if err != nil {
			return err
		}
	}
	return nil
}
