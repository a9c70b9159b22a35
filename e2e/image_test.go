// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/internal/need"
)

// buildah runs buildah on a storage of its own.
type buildah struct {
	t       *testing.T
	storage string
}

func newBuildah(t *testing.T) *buildah {
	t.Helper()
	requireRoot(t)
	need.Tool(t, "buildah", "buildah")
	return &buildah{t: t, storage: t.TempDir()}
}

func (b *buildah) args(args ...string) []string {
	return append([]string{
		"buildah", "--storage-driver", "vfs",
		"--root", filepath.Join(b.storage, "root"), "--runroot", filepath.Join(b.storage, "run"),
	}, args...)
}

func (b *buildah) do(args ...string) string {
	b.t.Helper()
	args = b.args(args...)
	var stderr strings.Builder
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = "..", &stderr
	out, err := cmd.Output()
	require.NoError(b.t, err, "%v: %s", args, stderr.String())
	return strings.TrimSpace(string(out))
}

// image builds the image, and returns the name of a container of it.
func (b *buildah) image() (container string) {
	b.t.Helper()
	release(b.t)
	b.do("build", "--isolation", "chroot", "--tag", "otelcol-xfrm", "-f", "distribution/container/Dockerfile", ".")
	return b.do("from", "otelcol-xfrm")
}

// The image, built from the Dockerfile, runs as nobody and shows the host's
// counters, not those of its own network namespace, from the host's root mounted
// read-only.
func TestImage(t *testing.T) {
	b := newBuildah(t)
	container := b.image()
	var image struct {
		OCIv1 struct {
			Config struct {
				User            string
				Entrypoint, Cmd []string
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(b.do("inspect", "--type", "image", "otelcol-xfrm")), &image))
	config := image.OCIv1.Config
	assert.Equal(t, "65534:65534", config.User)
	root := b.do("mount", container)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	assert.Subset(t, []string{"usr", "etc", "dev", "proc", "sys", "run", "tmp"}, names, "nothing but the collector")

	// Its own namespace counts, so that a mistake would show.
	here, _ := pair(t)
	block(here, thereAddress)
	here.send(thereAddress, 77)
	args := append([]string{"ip", "netns", "exec", here.name}, b.args("run", "--isolation", "chroot", "--volume", "/:/hostfs:ro", container, "--")...)
	args = append(append(args, config.Entrypoint...), config.Cmd...)
	// It leaves zeros out; here they are wanted.
	args = append(args, "--config", "yaml:receivers::xfrm::omit_zero: false", "--config", "yaml:receivers::xfrm::initial_delay: 0s")
	c := run(t, exec.Command(args[0], args[1:]...))

	var host []string
	for key, value := range here.scrape(c, namespaceLabels...) {
		if !strings.Contains(key, "=") {
			assert.NotEqual(t, int64(77), value, "the container's own namespace, not the host's")
			host = append(host, strconv.FormatInt(value, 10))
		}
	}
	var want []string
	for _, line := range readStat(t) {
		want = append(want, strings.Fields(line)[1])
	}
	assert.ElementsMatch(t, want, host, "all counters of the host")
	assert.Equal(t, "65534", userOfCollector(t), "the user of the process")
}

// The image knows the public authorities, and one that is mounted beside them: remote
// write over https reaches a server with a certificate of that one.
func TestImageTrustsAuthorities(t *testing.T) {
	b := newBuildah(t)
	container := b.image()
	const folder = "/etc/ssl/certs/"
	content, err := os.ReadFile(filepath.Join(b.do("mount", container), folder, "ca-certificates.crt"))
	require.NoError(t, err)
	authorities := 0
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		assert.True(t, certificate.IsCA)
		authorities++
	}
	assert.Greater(t, authorities, 80)

	here := newNamespace(t)
	ca := newAuthority(t)
	files := map[string]string{}
	for _, variable := range ca.issue("127.0.0.1") {
		name, file, _ := strings.Cut(variable, "=")
		files[name] = file
	}
	// The image's user reads it.
	private := public(t, "example.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})))
	certificate, err := tls.LoadX509KeyPair(files["TLS_CERT"], files["TLS_KEY"])
	require.NoError(t, err)
	var listener net.Listener
	require.NoError(t, here.do(func() error {
		listener, err = net.Listen("tcp", "127.0.0.1:9090")
		return err
	}))
	written := make(chan string, 1)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},
		ErrorLog:  log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
			select {
			case written <- request.URL.Path:
			default:
			}
		}),
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })

	args := append([]string{"ip", "netns", "exec", here.name}, b.args("run", "--isolation", "chroot",
		"--volume", private+":"+folder+"example.crt:ro", "--env", "HOST_NAME=gw1", "--env", "PROMETHEUS_URL=https://127.0.0.1:9090",
		container, "--", "/usr/bin/otelcol-xfrm", "--config", "/etc/otelcol-xfrm/host.yaml", "--config", "/etc/otelcol-xfrm/to-remote-write.yaml")...)
	run(t, exec.Command(args[0], args[1:]...))
	select {
	case path := <-written:
		assert.Equal(t, "/api/v1/write", path)
	case <-time.After(slow):
		require.Fail(t, "nothing arrives over https")
	}
}

// userOfCollector is the user of the process that runs in a container's root.
func userOfCollector(t *testing.T) string {
	t.Helper()
	statuses, err := filepath.Glob("/proc/[0-9]*/status")
	require.NoError(t, err)
	for _, status := range statuses {
		content, err := os.ReadFile(status)
		if err != nil || !strings.HasPrefix(string(content), "Name:\totelcol-xfrm\n") {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(status), "cmdline"))
		if !strings.Contains(string(cmdline), "/etc/otelcol-xfrm/docker.yaml") {
			continue
		}
		assert.Regexp(t, `(?m)^CapEff:\t0+$`, string(content), "no capability")
		return regexp.MustCompile(`(?m)^Uid:\t(\d+)`).FindStringSubmatch(string(content))[1]
	}
	return "no such process"
}
