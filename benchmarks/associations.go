// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	xfrmnetlink "github.com/xfrmreceiver/xfrmreceiver/internal/netlink"
	"github.com/xfrmreceiver/xfrmreceiver/internal/tunnel"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmnl"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// fewSAs and manySAs are the numbers of security associations that are compared.
const fewSAs, manySAs = 1000, 10_000

// larvalAssociations measures on this machine, whose kernel need not have ESP.
func larvalAssociations(r *report) {
	r.heading("Security associations")
	r.text("Not every kernel has ESP, so the associations are larval ones. The kernel dumps them like others, without algorithms, and\n" +
		"the receiver is made to take them for established. Half are inbound, half outbound, and each pair is a tunnel. The floor\n" +
		"asks for a dump and receives it, without looking at it. The receiver also decodes it and adds it up by tunnel. Cilium uses\n" +
		"`XfrmStateList` of [vishvananda/netlink](https://github.com/vishvananda/netlink). What `ip` prints is thrown away.")
	r.text("Both counts are those of `xfrm.sa.count` and `xfrm.policy.count`, asked for in one send, over a socket that is opened and\n" +
		"closed. Reading `xfrm_stat` walks all associations since Linux collects the figures of those offloaded to hardware for it\n" +
		"(`xfrm_state_update_stats` in `net/xfrm/xfrm_state.c`).")
	inNewNamespace(func() {
		// Larval associations end after 30 s otherwise.
		check(os.WriteFile("/proc/sys/net/core/xfrm_acq_expires", []byte("3600"), 0o600))
		l := compareAssociations(r, addLarval)
		association, oneTunnel := l.held()
		r.text("Between two scrapes each association holds %.0f bytes, and each tunnel %.0f bytes more.", association, oneTunnel)
		r.budget(append(l.dumpLimits(fewSAs, manySAs),
			limit{fmt.Sprintf("CPU of each of %d, of each of %d, both of the floor", manySAs, fewSAs), l.ofFloor(manySAs) / l.ofFloor(fewSAs), 1.3},
			limit{"bytes held for each association", association, 300},
			limit{"CPU of both counts, of xfrm_stat, without associations", ratio(l.counts[0][0].cpu, l.counts[0][1].cpu), 1},
			limit{fmt.Sprintf("CPU of both counts, of xfrm_stat, with %d", manySAs), ratio(l.counts[manySAs][0].cpu, l.counts[manySAs][1].cpu), 1},
		)...)
	})
}

// copyGuest copies what establishedAssociations wrote in a guest.
func copyGuest(r *report, file string) {
	r.heading("Established security associations")
	measured, err := os.ReadFile(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "without established associations:", err)
		r.text("Not measured: this run had no guest.")
		return
	}
	_, _ = fmt.Fprintf(r, "\n%s", measured)
}

// establishedAssociations measures on a machine whose kernel has ESP and AES-GCM.
func establishedAssociations(r *report) {
	r.text("The same with established associations of AES-GCM, in a guest with one CPU and Linux %s. QEMU emulates it, so\n"+
		"**only ratios mean anything.** Emulation changes what is dear: with %d associations the ratio to the floor is higher than\n"+
		"on the bare machine, above, and not steady. The budget is judged by %d.", kernelVersion(), fewSAs, manySAs)
	inNewNamespace(func() {
		l := compareAssociations(r, addEstablished)
		r.budget(append(l.dumpLimits(manySAs),
			limit{fmt.Sprintf("CPU of both counts, of xfrm_stat, with %d", manySAs), ratio(l.counts[manySAs][0].cpu, l.counts[manySAs][1].cpu), 1},
		)...)
	})
}

// inNewNamespace calls f in a new network namespace.
func inNewNamespace(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock it: the thread ends with the goroutine
		check(unix.Unshare(unix.CLONE_NEWNET))
		f()
	}()
	<-done
}

// associationsLab compares the ways to read the associations of this namespace.
type associationsLab struct {
	floor  []byte
	buffer *xfrmnetlink.Buffer
	// dumps and counts are the costs by the number of associations.
	dumps, counts map[int][]cost
}

// compareAssociations makes associations, with add for the pair of a tunnel, and
// measures.
func compareAssociations(r *report, add func(i int)) *associationsLab {
	l := &associationsLab{
		floor: make([]byte, 64<<10), buffer: xfrmnetlink.NewBuffer(),
		dumps: map[int][]cost{}, counts: map[int][]cost{},
	}
	made := 0
	var all []cost
	for _, n := range []int{0, fewSAs, manySAs} {
		for ; made < n; made += 2 {
			add(made / 2)
		}
		if n > 0 {
			l.dumps[n] = l.compareDumps(n)
		}
		l.counts[n] = l.compareCounts(n)
		all = append(append(all, l.dumps[n]...), l.counts[n]...)
	}
	r.costs(all)
	return l
}

// local is the address of this end of all tunnels.
var local = netip.MustParseAddr("10.77.0.1")

// pair returns both associations of a tunnel, the outbound one first.
func pair(i int) [2]*netlink.XfrmState {
	here, there := local.AsSlice(), []byte{10, 78, byte(i >> 8), byte(i)}
	esp := netlink.XfrmState{Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TUNNEL, Reqid: i + 1}
	out, in := esp, esp
	out.Src, out.Dst, in.Src, in.Dst = here, there, there, here
	return [2]*netlink.XfrmState{&out, &in}
}

func addLarval(i int) {
	for _, sa := range pair(i) {
		must(netlink.XfrmStateAllocSpi(sa))
	}
}

// addEstablished adds what strongSwan adds for a tunnel.
func addEstablished(i int) {
	sas := pair(i)
	sas[1].ReplayWindow = 32
	for j, sa := range sas {
		sa.Spi = 0x1000 + 2*i + j
		sa.Aead = &netlink.XfrmStateAlgo{Name: "rfc4106(gcm(aes))", Key: make([]byte, 20), ICVLen: 128}
		sa.Limits.TimeHard = 7200
		check(netlink.XfrmStateAdd(sa))
	}
}

func (l *associationsLab) compareDumps(n int) []cost {
	sums := newSums(n)
	// Only these two are judged, and nothing else runs between them.
	judged := compare(75, manySAs/n,
		contender{fmt.Sprintf("%d: floor", n), func() { dumpFloor(l.floor) }},
		contender{fmt.Sprintf("%d: xfrmreceiver", n), func() { l.read(sums) }},
	)
	return append(judged, compare(9, manySAs/n,
		contender{fmt.Sprintf("%d: `XfrmStateList`", n), func() { must(netlink.XfrmStateList(netlink.FAMILY_ALL)) }},
		contender{fmt.Sprintf("%d: `ip -s xfrm state`", n), func() { check(exec.Command("ip", "-s", "xfrm", "state").Run()) }},
	)...)
}

func (l *associationsLab) compareCounts(n int) []cost {
	var parser xfrmstat.Parser
	var counters []xfrmstat.Counter
	return compare(25, 100,
		contender{fmt.Sprintf("%d: both counts", n), func() {
			conn := must(xfrmnetlink.NewConn(openXfrm(), l.buffer))
			_, _, err := xfrmnl.Counts(context.Background(), conn)
			check(err)
			check(conn.Close())
		}},
		contender{fmt.Sprintf("%d: xfrm_stat, read and parsed", n), func() {
			data := readFloor(unix.AT_FDCWD, "/proc/thread-self/net/xfrm_stat", l.floor)
			counters, _ = parser.Parse(counters[:0], data)
		}},
	)
}

// dumpFloor asks for all associations and reads the answer to its end.
func dumpFloor(buf []byte) {
	fd := openXfrm()
	request := make([]byte, unix.SizeofNlMsghdr)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], 18) // XFRM_MSG_GETSA
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	check(unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for {
		must(unix.Read(fd, buf))
		// What ends the dump is a datagram of its own.
		if binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_DONE {
			break
		}
	}
	check(unix.Close(fd))
}

func openXfrm() int {
	return must(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_XFRM))
}

// newSums returns what the receiver remembers of the associations of a namespace.
func newSums(limit int) *tunnel.Accumulator { return tunnel.New(tunnel.Options{Limit: limit}) }

// read does what a scrape does before it records: it dumps, decodes and adds up.
func (l *associationsLab) read(sums *tunnel.Accumulator) {
	conn := must(xfrmnetlink.NewConn(openXfrm(), l.buffer))
	sums.BeginDump(time.Now(), host{}, true)
	check(xfrmnl.DumpSAs(context.Background(), conn, func(sa *xfrmnl.SA) {
		sa.Larval = false
		sums.Row(sa)
	}))
	sums.EndDump(time.Now())
	check(conn.Close())
}

// host knows the local address.
type host struct{}

func (host) IsLocal(a netip.Addr) bool     { return a == local }
func (host) InterfaceOf(tunnel.Key) string { return "" }

// held returns how many bytes are held between two scrapes for each association,
// and for each tunnel.
func (l *associationsLab) held() (association, oneTunnel float64) {
	const tunnels = manySAs / 2
	one, all := l.heldBy(1), l.heldBy(tunnels)
	return one / manySAs, (all - one) / tunnels
}

// heldBy returns how many bytes are held with at most limit tunnels. The
// associations beyond it share one.
func (l *associationsLab) heldBy(limit int) float64 {
	before := heap()
	sums := newSums(limit)
	for range 3 {
		l.read(sums)
	}
	after := heap()
	runtime.KeepAlive(sums)
	return float64(after - before)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// ofFloor is the ratio of the receiver's CPU to the floor's.
func (l *associationsLab) ofFloor(n int) float64 { return ratio(l.dumps[n][1].cpu, l.dumps[n][0].cpu) }

func (l *associationsLab) dumpLimits(numbers ...int) (limits []limit) {
	for _, n := range numbers {
		limits = append(limits, limit{fmt.Sprintf("CPU of %d, of the floor", n), l.ofFloor(n), 2})
	}
	// Each read from the socket allocates, and brings some 100 associations.
	each := float64(l.dumps[manySAs][1].allocations) / manySAs
	return append(limits, limit{fmt.Sprintf("allocations for each of %d", manySAs), each, 0.1})
}
