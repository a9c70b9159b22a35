// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Directory has what the node writes, StaticPods the manifests of static pods.
const (
	Directory  = "/run/node"
	StaticPods = Directory + "/static-pods"
	// Name is the node's.
	Name = "node1"
)

// Node is a running Kubernetes.
type Node struct {
	// programs is the directory of all programs.
	programs  string
	authority *Authority
	// stopped gets the first component that ends.
	stopped chan error
}

// Start starts a Kubernetes from the programs in a directory, and returns when the
// node is ready. The image sandbox is that of the container that keeps the network of a
// pod. Of the machine's file system, only the directory writable, if any, can be written.
func Start(ctx context.Context, programs string, sandbox Image, writable string) (*Node, error) {
	if err := prepare(writable); err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		// The programs find each other.
		"PATH": programs + ":" + os.Getenv("PATH"), "HOME": Directory, "TMPDIR": filepath.Join(Directory, "tmp"),
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	authority, err := NewAuthority(filepath.Join(Directory, "certificates"))
	if err != nil {
		return nil, err
	}
	n := &Node{programs: programs, authority: authority, stopped: make(chan error, 1)}
	if err := n.issue(); err != nil {
		return nil, err
	}
	if err := n.configure(sandbox.Name); err != nil {
		return nil, err
	}
	if err := n.startAll(ctx, sandbox); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, n.Logs())
	}
	return n, nil
}

// startAll starts each component when those that it needs are ready.
func (n *Node) startAll(ctx context.Context, sandbox Image) error {
	steps := []struct {
		component string
		// ready is a command that succeeds when it is.
		ready []string
	}{
		{"etcd", nil},
		{"containerd", []string{"ctr", "version"}},
		{"kube-apiserver", []string{"kubectl", "get", "--raw", "/readyz"}},
		{"kube-controller-manager", []string{"kubectl", "--namespace", "default", "get", "serviceaccount", "default"}},
		{"kube-scheduler", nil},
		{"kubelet", []string{"kubectl", "wait", "--for=condition=Ready", "--timeout=1s", "node/" + Name}},
	}
	for _, step := range steps {
		if step.component == "kubelet" {
			if err := n.Import(sandbox); err != nil {
				return err
			}
		}
		if err := n.start(step.component, n.arguments()[step.component]); err != nil {
			return err
		}
		if step.ready == nil {
			continue
		}
		if err := n.await(ctx, step.component, step.ready); err != nil {
			return err
		}
	}
	return nil
}

// start runs a component. Its output goes to a file.
func (n *Node) start(component string, arguments []string) error {
	log, err := os.Create(n.log(component))
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(n.programs, component), arguments...) //nolint:gosec // what the Makefile built
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = cmd.Wait()
		select {
		case n.stopped <- fmt.Errorf("%s ended: %s", component, cmd.ProcessState):
		default:
		}
	}()
	return nil
}

// await repeats a command until it succeeds.
func (n *Node) await(ctx context.Context, component string, command []string) error {
	for {
		out, err := n.Command(command[0], command[1:]...).CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", component, err, out)
		case err := <-n.stopped:
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Command is a command of the administrator, such as kubectl.
func (n *Node) Command(name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(name, arguments...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+n.Kubeconfig())
	return cmd
}

// Kubeconfig is the administrator's.
func (n *Node) Kubeconfig() string { return n.authority.File("admin.kubeconfig") }

// Import loads an image.
func (n *Node) Import(image Image) error {
	file := filepath.Join(Directory, "image.tar")
	if err := image.write(file); err != nil {
		return err
	}
	out, err := n.Command("ctr", "--namespace", "k8s.io", "images", "import", file).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("import of %s: %w: %s", image.Name, err, out)
	}
	return errors.Join(err, os.Remove(file))
}

func (n *Node) log(component string) string { return filepath.Join(Directory, component+".log") }

// Logs are the last lines of each component.
func (n *Node) Logs() string {
	var logs string
	for component := range n.arguments() {
		content, err := os.ReadFile(n.log(component))
		if err != nil {
			continue // it did not start
		}
		lines := strings.SplitAfter(string(content), "\n")
		logs += "--- " + component + "\n" + strings.Join(lines[max(0, len(lines)-20):], "")
	}
	return logs
}
