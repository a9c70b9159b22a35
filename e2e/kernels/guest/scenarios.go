// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/provoke"
)

// runScenarios runs all scenarios that this kernel has the counters for, one
// after the other.
func runScenarios() error {
	l, err := lab.New()
	if err != nil {
		return err
	}
	o, err := startObservers()
	if err != nil {
		return err
	}
	for _, scenario := range provoke.Scenarios() {
		if !scenario.Runs(o.last.Kernel) {
			continue
		}
		err := o.step(scenario.Name, scenario.Expect, func() error { return scenario.Run(l) }, func() map[string]string {
			printed := map[string]string{}
			for _, confirm := range provoke.Confirmations[scenario.Name] {
				printed[confirm.Key()] = output(confirm.Key())
			}
			return printed
		})
		if err := errors.Join(err, l.Flush()); err != nil {
			return err
		}
	}
	return nil
}
