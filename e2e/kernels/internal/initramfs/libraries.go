// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
)

// libraryDirs are where Debian has libraries; the first is also where they go.
var libraryDirs = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib", "/usr/lib/ipsec",
}

// Linked adds a program or library of a tree (the host's is "/") with the
// dynamic linker and the libraries that it needs, if any.
func (w *Writer) Linked(name, tree, from string) error {
	w.Program(name, from)
	file, err := elf.Open(from)
	if err != nil {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	defer func() { _ = file.Close() }()
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("reading what %s needs: %w", from, err)
	}
	if len(libraries) > 0 {
		libraries = append(libraries, "ld-linux-x86-64.so.2")
	}
	for _, library := range libraries {
		if err := w.Library(tree, library); err != nil {
			return fmt.Errorf("adding what %s needs: %w", from, err)
		}
	}
	return nil
}

// Library adds one library of a tree, with what it needs.
func (w *Writer) Library(tree, library string) error {
	name := filepath.Join(libraryDirs[0], library)
	if library == "ld-linux-x86-64.so.2" {
		name = "/lib64/" + library // The path that programs ask the kernel for.
	}
	if w.has[name] {
		return nil
	}
	w.has[name] = true
	for _, dir := range libraryDirs {
		path := filepath.Join(tree, dir, library)
		if _, err := os.Stat(path); err == nil {
			return w.Linked(name, tree, path)
		}
	}
	return fmt.Errorf("no %s", library)
}
