// SPDX-License-Identifier: Apache-2.0

package node

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path"
	"path/filepath"
	"runtime"
)

// Image is a container image of a single layer.
type Image struct {
	// Name has a registry and a tag.
	Name       string
	Entrypoint []string
	User       string
	Env        []string
	// Files are those of the image, by absolute path: where each is on this machine. A
	// directory stands for the files in it.
	Files map[string]string
}

// write writes the image in the format of `docker save`.
func (i Image) write(file string) error {
	layer, err := i.layer()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(layer)
	configuration, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH,
		"config": map[string]any{"Entrypoint": i.Entrypoint, "User": i.User, "Env": i.Env},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{i.Name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	for _, part := range []struct {
		name    string
		content []byte
	}{{"layer.tar", layer}, {"config.json", configuration}, {"manifest.json", manifest}} {
		if err := add(w, part.name, part.content); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), os.WriteFile(file, image.Bytes(), 0o600))
}

func (i Image) layer() ([]byte, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for name, source := range i.Files {
		err := filepath.WalkDir(source, func(file string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			inside, err := filepath.Rel(source, file)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return add(w, path.Join(name, inside)[1:], content)
		})
		if err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return layer.Bytes(), err
}

func add(w *tar.Writer, name string, content []byte) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
