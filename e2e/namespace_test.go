// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The main goroutine keeps the main thread to itself: that one can't be thrown
// away, and gives the process its /proc/self/net.
func init() { runtime.LockOSThread() }

// namespace is a named network namespace that a test made.
type namespace struct {
	t    *testing.T
	name string
}

var namespaces atomic.Int64

// newNamespace makes a network namespace, with loopback up, that ends with the
// test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	return newNamedNamespace(t, fmt.Sprintf("xfrm-e2e-%d-%d", os.Getpid(), namespaces.Add(1)))
}

func newNamedNamespace(t *testing.T, name string) *namespace {
	t.Helper()
	ip(t, "netns", "add", name)
	ns := &namespace{t: t, name: name}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	ns.ip("link", "set", "lo", "up")
	return ns
}

// ip runs ip in the namespace.
func (n *namespace) ip(args ...string) {
	n.t.Helper()
	ip(n.t, append([]string{"-n", n.name}, args...)...)
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %s: %s", strings.Join(args, " "), out)
}

// command is a command that runs in the namespace.
func (n *namespace) command(args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.name}, args...)...)
}

// do calls f on a thread inside the namespace. f must not start goroutines. The
// thread is thrown away.
func (n *namespace) do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open(filepath.Join("/run/netns", n.name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			done <- err
			return
		}
		defer unix.Close(fd)
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// client talks HTTP to servers on the namespace's loopback.
func (n *namespace) client() *http.Client {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			err = n.do(func() error {
				var d net.Dialer
				conn, err = d.DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
	}
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

// The addresses of a pair of namespaces.
const (
	hereAddress  = "192.0.2.1"
	thereAddress = "192.0.2.2"
)

// pair joins two new namespaces by veth: hereAddress in the first, thereAddress
// in the second.
func pair(t *testing.T) (here, there *namespace) {
	t.Helper()
	here, there = newNamespace(t), newNamespace(t)
	join(here, there)
	return here, there
}

func join(here, there *namespace) {
	ip(here.t, "link", "add", "veth0", "netns", here.name, "type", "veth", "peer", "name", "veth0", "netns", there.name)
	for ns, address := range map[*namespace]string{here: hereAddress, there: thereAddress} {
		ns.ip("addr", "add", address+"/24", "dev", "veth0")
		ns.ip("link", "set", "veth0", "up")
	}
}

// send sends datagrams from an unconnected socket: connect would raise counters
// of its own. A packet that the kernel refuses with the errno of a dropped one is
// what the test wants.
func (n *namespace) send(to string, count int) {
	n.t.Helper()
	n.sendFrom("0.0.0.0", to, count)
}

func (n *namespace) sendFrom(from, to string, count int) {
	n.t.Helper()
	err := n.do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		source := &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(from).To4())}
		if err := unix.Bind(fd, source); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		address := &unix.SockaddrInet4{Port: 9, Addr: [4]byte(net.ParseIP(to).To4())}
		for range count {
			err := unix.Sendto(fd, []byte("x"), 0, address)
			if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOBUFS) {
				return fmt.Errorf("sendto: %w", err)
			}
		}
		return nil
	})
	require.NoError(n.t, err)
}
