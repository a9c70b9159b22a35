// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"os"
	"path/filepath"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

// testImage is that of all pods which the tests create.
var testImage = node.Image{
	Name: "localhost/pod:1", Entrypoint: []string{"/pod"}, User: "65534:65534",
	Files: map[string]string{"/pod": filepath.Join(os.Getenv("KUBERNETES"), "pod")},
}

// collectorImage is what distribution/container/Dockerfile makes, without the
// certificates. `make e2e` tests that one.
func collectorImage(tag, collector string) node.Image {
	return node.Image{
		Name: "docker.io/library/otelcol-xfrm:" + tag, Entrypoint: []string{"/usr/bin/otelcol-xfrm"}, User: "65534:65534",
		Env:   []string{"LISTEN=0.0.0.0:9464", "HEALTH=0.0.0.0:13133"},
		Files: map[string]string{"/usr/bin/otelcol-xfrm": collector, "/etc/otelcol-xfrm": filepath.Join("..", "..", "distribution", "config")},
	}
}
