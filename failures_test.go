// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

func newTestFailures() (*failures, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	return newFailures(zap.New(core)), logs
}

// readError is an error of reading through a process.
func readError(pid int) netns.Reading {
	file := fmt.Sprintf("/proc/%d/net/xfrm_stat", pid)
	return netns.Reading{Namespace: &netns.Namespace{PodUID: "p"}, File: file, Err: &fs.PathError{Op: "read", Path: file, Err: fs.ErrInvalid}}
}

// A failure is the same whichever process it is met through.
func TestFailureIsLoggedOnceWhateverThePID(t *testing.T) {
	f, logs := newTestFailures()
	for pid := range 3 {
		f.add(readError(pid), 1)
		require.Error(t, f.report())
	}
	assert.Len(t, logs.FilterLevelExact(zapcore.ErrorLevel).All(), 1)
	require.NoError(t, f.report())
	assert.Len(t, logs.FilterMessage("Reading from the kernel works again").All(), 1)

	logs.TakeAll()
	var parser xfrmstat.Parser
	_, bad := parser.Parse(nil, []byte("XfrmInError 1 2\n"))
	for pid := range 3 {
		r := readError(pid)
		f.addBadLines(r, bad)
		require.ErrorContains(t, f.report(), r.File+": line 1")
	}
	assert.Len(t, logs.FilterLevelExact(zapcore.ErrorLevel).All(), 1)
}

// Hundreds of namespaces that fail for one cause give one failure.
func TestSharedFailures(t *testing.T) {
	f, logs := newTestFailures()
	for i := range 500 {
		f.add(netns.Reading{File: fmt.Sprintf("/run/netns/n%d", i), Err: netns.ErrNotPermitted}, 32)
	}
	f.add(netns.Reading{File: "/proc", Err: fmt.Errorf("%w: it is mounted with hidepid", netns.ErrHidden)}, 1)
	err := f.report()
	for _, says := range []string{
		"/run/netns/n0 and 499 more: entering a network namespace by name requires the capability CAP_SYS_ADMIN",
		"network_namespaces::processes", "/proc: proc hides the processes of other users: it is mounted with hidepid; network namespaces of hidden",
	} {
		require.ErrorContains(t, err, says)
	}
	all := logs.TakeAll()
	require.Len(t, all, 2)
	assert.EqualValues(t, 500*32+1, all[0].ContextMap()["missing_points"])
}

// Neither the text nor the memory grows with the number of failures.
func TestManyFailures(t *testing.T) {
	f, logs := newTestFailures()
	for i := range 5000 {
		f.add(netns.Reading{File: "x", Err: fmt.Errorf("cause %d", i)}, 1)
	}
	assert.Len(t, f.now, maxFailures)
	err := f.report()
	require.ErrorContains(t, err, "and 990 more failures")
	assert.Less(t, len(err.Error()), 1000)
	assert.Len(t, logs.TakeAll(), maxShown+1)
	require.NoError(t, f.report())
	assert.Len(t, logs.TakeAll(), maxShown+1)

	for i := range 5000 {
		f.add(netns.Reading{File: fmt.Sprint(i), Err: netns.ErrNotNamespace}, 1)
		f.noteRead("x", []xfrmstat.Counter{{Name: &xfrmstat.Name{Kernel: fmt.Sprint("Xfrm", i)}}})
	}
	assert.LessOrEqual(t, len(f.noted), maxNoted)
	require.NoError(t, f.report(), "none of these is a failure")
}

func TestNotes(t *testing.T) {
	for name, tt := range map[string]struct {
		err   error
		level zapcore.Level
		says  string
		times int
	}{
		"other file":     {netns.ErrNotNamespace, zapcore.DebugLevel, "is not a network namespace", 1},
		"no directory":   {netns.ErrNoDirectory, zapcore.InfoLevel, "No named network namespaces yet", 1},
		"no statistics":  {netns.ErrNoStatistics, zapcore.WarnLevel, "No XFRM statistics to report", 1},
		"outside":        {netns.ErrOutsideRoot, zapcore.WarnLevel, "is a link that leads out of root_path", 1},
		"unmounted":      {netns.ErrUnmounted, zapcore.WarnLevel, "is no longer mounted", 2},
		"not UTF-8":      {netns.ErrInvalidName, zapcore.WarnLevel, "is not valid UTF-8", 2},
		"wrapped, other": {fmt.Errorf("%w: it is a FIFO", netns.ErrNotNamespace), zapcore.DebugLevel, "it is a FIFO", 1},
	} {
		t.Run(name, func(t *testing.T) {
			f, logs := newTestFailures()
			for range 2 {
				f.add(netns.Reading{Namespace: &netns.Namespace{}, File: "/x", Err: tt.err}, 1)
				require.NoError(t, f.report())
			}
			all := logs.TakeAll()
			require.Len(t, all, tt.times)
			assert.Equal(t, tt.level, all[0].Level)
			assert.Contains(t, all[0].Message, tt.says)
		})
	}
}

// A kernel without statistics has none in any namespace. The others are read for
// their tunnels.
func TestNoStatisticsInAnyNamespace(t *testing.T) {
	f, logs := newTestFailures()
	for range 2 {
		for _, ns := range []*netns.Namespace{{}, {Name: "vpn"}, {PID: 7}} {
			f.add(netns.Reading{Namespace: ns, File: ns.String(), Err: netns.ErrNoStatistics}, 1)
		}
		require.NoError(t, f.report())
	}
	require.Len(t, logs.TakeAll(), 1)
}

// Each failure says what could not be read, if the error itself does not.
func TestFailureNamesWhatWasNotRead(t *testing.T) {
	f, _ := newTestFailures()
	f.add(readError(1), 1)
	f.add(netns.Reading{File: "/run/netns/vpn", Err: errors.New("setns: too many open files")}, 1)
	err := f.report()
	require.ErrorContains(t, err, "/run/netns/vpn: setns: too many open files")
	require.ErrorContains(t, err, "read /proc/1/net/xfrm_stat: invalid argument")
	require.NotContains(t, err.Error(), "/proc/1/net/xfrm_stat: read")
}
