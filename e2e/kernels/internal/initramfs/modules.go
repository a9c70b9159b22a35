// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ModulesFile lists the modules of an initramfs, one path a line, in the order
// in which they must be loaded.
const ModulesFile = "/modules/order"

// Modules adds kernel modules and all that they depend on. It returns those that
// the kernel has neither as modules nor built in: which cryptographic modules
// there are differs from kernel to kernel.
func (w *Writer) Modules(dir string, wanted []string) (missing []string, err error) {
	m := &modules{files: map[string]string{}, builtin: map[string]bool{}, done: map[string]bool{}, writer: w}
	if err := m.index(dir); err != nil {
		return nil, fmt.Errorf("looking for kernel modules: %w", err)
	}
	for _, name := range wanted {
		name = canonical(name)
		if m.files[name] == "" {
			if !m.builtin[name] {
				missing = append(missing, name)
			}
			continue
		}
		if err := m.add(name); err != nil {
			return nil, fmt.Errorf("adding the kernel module %s: %w", name, err)
		}
	}
	w.Bytes(ModulesFile, []byte(strings.Join(m.order, "\n")))
	return missing, nil
}

// modules are those of one kernel.
type modules struct {
	files   map[string]string
	builtin map[string]bool
	done    map[string]bool
	order   []string
	writer  *Writer
}

// canonical names a module as modinfo's depends does: sha256_generic, not
// kernel/crypto/sha256-generic.ko.xz.
func canonical(file string) string {
	name, _, _ := strings.Cut(filepath.Base(strings.TrimSpace(file)), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

func (m *modules) index(dir string) error {
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(builtin)) {
		m.builtin[canonical(line)] = true
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(filepath.Base(path), ".ko") {
			m.files[canonical(path)] = path
		}
		return err
	})
}

// add adds what a module depends on, and then the module.
func (m *modules) add(name string) error {
	if m.done[name] {
		return nil
	}
	m.done[name] = true
	content, err := unpacked(m.files[name])
	if err != nil {
		return err
	}
	needed, err := depends(content)
	if err != nil {
		return err
	}
	for _, other := range needed {
		if m.files[other] == "" {
			continue // Built in.
		}
		if err := m.add(other); err != nil {
			return err
		}
	}
	path := "/modules/" + name + ".ko"
	m.writer.Bytes(path, content)
	m.order = append(m.order, path)
	return nil
}

// unpacked reads a module's file.
func unpacked(path string) ([]byte, error) {
	if strings.HasSuffix(path, ".xz") {
		return exec.Command("xz", "--decompress", "--stdout", path).Output()
	}
	return os.ReadFile(path)
}

// depends are the modules that the section .modinfo names, as modinfo -F depends
// does.
func depends(module []byte) ([]string, error) {
	file, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("there is no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	var names []string
	for field := range strings.SplitSeq(string(info), "\x00") {
		list, ok := strings.CutPrefix(field, "depends=")
		if !ok {
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			if name != "" {
				names = append(names, canonical(name))
			}
		}
	}
	return names, nil
}
