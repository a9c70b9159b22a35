// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/lab"
	"github.com/xfrmreceiver/xfrmreceiver/e2e/kernels/internal/report"
)

// lose calls f while Here sends to a hardware address that nobody has.
func (w *World) lose(f func() error) error {
	link, err := w.Here.Netlink.LinkByName(w.Here.Device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", w.Here.Device, err)
	}
	peer, err := w.There.Netlink.LinkByName(w.There.Device)
	if err != nil {
		return fmt.Errorf("finding %s: %w", w.There.Device, err)
	}
	set := func(address net.HardwareAddr) error {
		return w.Here.Netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: w.There.Addr, HardwareAddr: address,
		})
	}
	if err := set(net.HardwareAddr{2, 0, 0, 0, 0, 1}); err != nil {
		return err
	}
	return errors.Join(f(), set(peer.Attrs().HardwareAddr))
}

// stream sends bytes over TCP to There, under associations that exist. It returns
// the packets that There counts.
func (w *World) stream(bytes int64, spi int) (report.Series, error) {
	in, out := Manual(w.There, w.Here, spi, 9), Manual(w.Here, w.There, spi+1, 9)
	for side, sa := range map[*lab.Side]*netlink.XfrmState{w.Here: out, w.There: in} {
		policy := lab.Policy(sa.Dst, 0, sa)
		policy.Proto = 6
		if err := side.Add(policy); err != nil {
			return nil, err
		}
	}
	var listener net.Listener
	err := w.There.Do(func() (err error) {
		listener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: w.There.Addr, Port: port})
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }()
	received := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- -1
			return
		}
		n, _ := io.Copy(io.Discard, conn)
		_ = conn.Close()
		received <- n
	}()
	var conn *net.TCPConn
	err = w.Here.Do(func() (err error) {
		conn, err = net.DialTCP("tcp4", nil, &net.TCPAddr{IP: w.There.Addr, Port: port})
		return err
	})
	if err != nil {
		return nil, err
	}
	_, err = io.CopyN(conn, zeros{}, bytes)
	if err := errors.Join(err, conn.CloseWrite()); err != nil {
		return nil, err
	}
	if n := <-received; n != bytes {
		return nil, fmt.Errorf("%d bytes arrived of %d", n, bytes)
	}
	// The last acknowledgements are under way.
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
	time.Sleep(500 * time.Millisecond)
	sent, err := w.Here.Netlink.XfrmStateGet(out)
	if err != nil {
		return nil, err
	}
	if sent.Replay == nil {
		return nil, errors.New("the association has no sequence number")
	}
	packets := float64(sent.Replay.OSeq)
	return report.Series{
		"here tunnel.packet.count outbound 9": packets, "there tunnel.packet.count inbound 9": packets,
	}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
