// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/traffic"
)

// runStages does things to tunnels, and reports after each of them what Prometheus
// would scrape from the collectors of both ends, and what the kernel says.
func runStages(stages []traffic.Stage) error {
	l, err := lab.New()
	if err != nil {
		return err
	}
	w := &traffic.Watched{World: &traffic.World{Lab: l}}
	if w.VPN, err = lab.Named("vpn", net.IPv4(10, 8, 0, 1), "v2"); err != nil {
		return err
	}
	if w.Branch, err = lab.Named("branch", net.IPv4(10, 8, 0, 2), "v3"); err != nil {
		return err
	}
	if err := lab.Join(w.VPN, w.Branch); err != nil {
		return err
	}
	here, err := startServer("here", l.Here, "gw1", "--config", `yaml:receivers::xfrm::network_namespaces::named::include: ["*"]`)
	if err != nil {
		return err
	}
	there, err := startServer("there", l.There, "")
	if err != nil {
		return err
	}
	sides := map[string]*lab.Side{"here": l.Here, "there": l.There, "vpn": w.VPN, "branch": w.Branch}
	for _, stage := range stages {
		done := &report.Stage{Name: stage.Name, Served: map[string][]byte{}}
		if err := stage.Run(w); err != nil {
			return fmt.Errorf("%s: %w", stage.Name, err)
		}
		begin := time.Now()
		for _, s := range []*server{here, there} {
			if done.Served[s.name], err = s.scraped(begin); err != nil {
				return fmt.Errorf("%w: %s", err, tail(s.name))
			}
		}
		for name, side := range sides {
			associations, err := kernelAssociations(name, side)
			if err != nil {
				return err
			}
			done.Kernel = append(done.Kernel, associations...)
		}
		tell(report.Line{Stage: done})
	}
	return nil
}

// server is a collector with the shipped configuration.
type server struct {
	name   string
	client *http.Client
}

// startServer starts one. host is its HOST_NAME.
func startServer(name string, side *lab.Side, host string, more ...string) (*server, error) {
	log, err := os.Create(logFile(name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/otelcol-xfrm", append([]string{ //nolint:gosec // The programs of the initramfs.
		"--config", "/etc/host.yaml", "--config", "/etc/tunnels.yaml",
		"--config", "yaml:receivers::xfrm::collection_interval: 200ms",
		"--config", "yaml:receivers::xfrm::initial_delay: 0s",
		"--config", "yaml:exporters::prometheus::send_timestamps: true",
	}, more...)...)
	cmd.Env = []string{"HOST_NAME=" + host, "LISTEN=127.0.0.1:9464", "HEALTH=127.0.0.1:13133"}
	cmd.Stdout, cmd.Stderr = log, log
	dial := func(context.Context, string, string) (conn net.Conn, err error) {
		err = side.Do(func() error {
			conn, err = net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9464})
			return err
		})
		return conn, err
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dial}}
	return &server{name: name, client: client}, side.Do(cmd.Start)
}

// scraped returns what the collector serves of a scrape that began after a time,
// without comments and packed.
func (s *server) scraped(after time.Time) (packed []byte, err error) {
	// What is served is complete when the next scrape is there.
	for range 2 {
		err = eventually("a scrape of "+s.name, func() (bool, error) {
			text, at, err := s.get()
			if err != nil || !at.After(after) {
				return false, errors.Join(err, errNothingScraped)
			}
			after = at
			packed, err = pack(text)
			return true, err
		})
		if err != nil {
			return nil, err
		}
	}
	return packed, nil
}

var heartbeat = regexp.MustCompile(`(?m)^xfrm_netns_count\S* \S+ (\d+)$`)

// get returns what is served, and when that was scraped.
func (s *server) get() (string, time.Time, error) {
	response, err := s.client.Get("http://127.0.0.1:9464/metrics")
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return "", time.Time{}, err
	}
	found := heartbeat.FindSubmatch(content)
	if found == nil {
		return "", time.Time{}, errNothingScraped
	}
	milliseconds, err := strconv.ParseInt(string(found[1]), 10, 64)
	return string(content), time.UnixMilli(milliseconds), err
}

func pack(text string) ([]byte, error) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, err := io.WriteString(writer, regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(text, ""))
	err = errors.Join(err, writer.Close())
	return packed.Bytes(), err
}

// kernelAssociations are those of a namespace, as `ip -s xfrm state` prints them.
func kernelAssociations(name string, side *lab.Side) ([]report.Association, error) {
	states, err := side.Netlink.XfrmStateList(0)
	if err != nil {
		return nil, fmt.Errorf("listing associations: %w", err)
	}
	var got []report.Association
	for _, sa := range states {
		one := report.Association{
			Side: name, Outbound: sa.Src.Equal(side.Addr), Reqid: sa.Reqid, SPI: sa.Spi,
			Established: sa.Auth != nil, Created: sa.Statistics.AddTime,
			Bytes: sa.Statistics.Bytes, Packets: sa.Statistics.Packets,
			Replay: sa.Statistics.Replay, ReplayWindow: sa.Statistics.ReplayWindow, Failed: sa.Statistics.Failed,
		}
		if sa.Replay != nil {
			one.Sequence = max(sa.Replay.OSeq, sa.Replay.Seq)
		}
		got = append(got, one)
	}
	return got, nil
}
