// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kubernetes/internal/node"
)

// cluster is the Kubernetes of all tests.
var cluster *node.Node

// missing says what the tests cannot run without, or "".
func missing() string {
	if os.Getenv("KUBERNETES") == "" {
		return "KUBERNETES is not set; run `make e2e-kubernetes`"
	}
	if os.Getuid() != 0 {
		return "needs root, to make namespaces"
	}
	for file, pkg := range map[string]string{"ip": "iproute2", "nsenter": "util-linux", "/usr/lib/cni/bridge": "containernetworking-plugins"} {
		if _, err := exec.LookPath(file); err != nil {
			return "needs " + file + " (apt-get install " + pkg + ")"
		}
	}
	return ""
}

// requireCluster skips a test where there is none.
func requireCluster(t *testing.T) {
	t.Helper()
	if why := missing(); why != "" {
		need.Skip(t, why)
	}
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if missing() != "" {
		return m.Run()
	}
	status, err := isolated(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

func isolated(m *testing.M) (status int, err error) {
	if !node.Isolated() {
		return node.Isolate()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if cluster, err = node.Start(ctx, os.Getenv("KUBERNETES"), testImage, os.Getenv("VERIFICATION_DIR")); err != nil {
		return 0, err
	}
	for _, image := range []node.Image{collectorImage("0.1.0", os.Getenv("OTELCOL_XFRM")), collectorImage("names", filepath.Join(os.Getenv("KUBERNETES"), "otelcol-xfrm-names"))} {
		if err := cluster.Import(image); err != nil {
			return 0, err
		}
	}
	if status = m.Run(); status != 0 {
		fmt.Fprintln(os.Stderr, cluster.Logs())
		return status, nil
	}
	return status, writeReport()
}
