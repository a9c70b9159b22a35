// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// Deny makes a hook of the kernel's security modules say no while f runs: a BPF
// program of two instructions. Every call of the hook is denied, so f must do
// nothing but provoke.
func Deny(hook string, f func() error) error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: hook, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -eperm), asm.Return()},
	})
	if err != nil && strings.Contains(err.Error(), "disabled hook") {
		return ErrRefused
	}
	if err != nil {
		return fmt.Errorf("loading a BPF program for %s: %w", hook, err)
	}
	defer func() { _ = program.Close() }()
	attached, err := link.AttachLSM(link.LSMOptions{Program: program})
	if err != nil {
		return fmt.Errorf("attaching a BPF program to %s: %w", hook, err)
	}
	defer func() { _ = attached.Close() }()
	return f()
}

const eperm = 1
