// SPDX-License-Identifier: Apache-2.0

// Package initramfs writes what a guest boots from: a cpio archive in the
// "newc" format, uncompressed, and the kernel modules in it.
package initramfs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// Writer writes an archive (Documentation/driver-api/early-userspace/buffer-format.rst).
// The first error is kept and returned by Close.
type Writer struct {
	file  *os.File
	out   *bufio.Writer
	inode int
	has   map[string]bool
	at    int64
	err   error
}

// Modes as in stat(2).
const (
	modeDir  = 0o040755
	modeFile = 0o100644
	modeExec = 0o100755
	modeLink = 0o120777
)

// Create makes the archive's file.
func Create(name string) (*Writer, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("writing the initramfs: %w", err)
	}
	return &Writer{file: file, out: bufio.NewWriter(file), has: map[string]bool{"/": true, ".": true}}, nil
}

// Dir adds a directory and those above it.
func (w *Writer) Dir(name string) {
	if w.has[name] {
		return
	}
	w.has[name] = true
	w.Dir(path.Dir(name))
	w.entry(name, modeDir, nil, 0)
}

// Bytes adds a file.
func (w *Writer) Bytes(name string, content []byte) {
	w.Dir(path.Dir(name))
	w.entry(name, modeFile, bytes.NewReader(content), int64(len(content)))
}

// Link adds a symbolic link.
func (w *Writer) Link(name, target string) {
	w.Dir(path.Dir(name))
	w.entry(name, modeLink, bytes.NewReader([]byte(target)), int64(len(target)))
}

// Program adds a copy of an executable file of the host.
func (w *Writer) Program(name, from string) {
	if w.err != nil {
		return
	}
	file, err := os.Open(filepath.Clean(from))
	if err != nil {
		w.err = err
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		w.err = err
		return
	}
	w.Dir(path.Dir(name))
	w.entry(name, modeExec, file, info.Size())
}

// Close writes the trailer.
func (w *Writer) Close() error {
	w.inode = 0
	w.entry("/TRAILER!!!", 0, nil, 0)
	if err := w.out.Flush(); w.err == nil {
		w.err = err
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	if w.err != nil {
		return fmt.Errorf("writing the initramfs: %w", w.err)
	}
	return nil
}

func (w *Writer) entry(name string, mode int, content io.Reader, size int64) {
	if w.err != nil {
		return
	}
	name = name[1:]
	w.inode++
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		w.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name)+1, 0, name)
	w.write(bytes.NewReader([]byte(header)))
	w.pad()
	if content != nil {
		w.write(content)
		w.pad()
	}
}

func (w *Writer) write(content io.Reader) {
	n, err := io.Copy(w.out, content)
	w.at += n
	if w.err == nil {
		w.err = err
	}
}

// pad aligns to 4 bytes.
func (w *Writer) pad() {
	w.write(bytes.NewReader(make([]byte, (4-w.at%4)%4)))
}
