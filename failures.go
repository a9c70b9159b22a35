// SPDX-License-Identifier: Apache-2.0

package xfrmreceiver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/associations"
	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// failures collects what goes wrong in a scrape, and logs it once: when it begins
// and when it is over. A failing scrape must not fill the log.
type failures struct {
	logger *zap.Logger
	// now holds the failures of this scrape, before those of the last one by key.
	now    []failure
	before map[string]error
	// points counts the missing points of this scrape.
	points int
	// noStatistics says that the kernel had no statistics.
	noStatistics bool
	// noted are the files and counters that were logged already.
	noted map[string]bool
}

// failure is one thing that goes wrong, in one or several namespaces.
type failure struct {
	// key is equal for the same failure in the next scrape, even if its text
	// contains a number that changes.
	key string
	err error
	// first is the first of several namespaces with the same cause, advice how to
	// remove that.
	first, advice string
	namespaces    int
}

const (
	// maxFailures bounds how many failures of one scrape are remembered, maxShown
	// how many are logged.
	maxFailures, maxShown = 1000, 10
	// maxNoted bounds what is remembered, and so what is logged, of files and
	// counters.
	maxNoted = 1000
)

// shared are the causes that concern many namespaces at once. Each gives one
// failure.
var shared = []struct {
	cause  error
	advice string
}{
	{netns.ErrNotPermitted, "; give the collector that capability, or find the namespaces by network_namespaces::processes, " +
		"which needs none"},
	{netns.ErrRefused, ""},
	{netns.ErrHidden, "; network namespaces of hidden processes are missing"},
	{netns.ErrLimit, "; raise it, or select fewer"},
	{netns.ErrPIDLimit, "; find the others by name (network_namespaces::named), or run them in a systemd service or a container"},
	{associations.ErrNotPermitted, "; without it the metrics xfrm.sa.*, xfrm.policy.* and xfrm.tunnel.* are missing"},
	{netns.ErrSocketNotPermitted, "; without them its metrics xfrm.sa.*, xfrm.policy.* and xfrm.tunnel.* are missing"},
	{netns.ErrSocketRefused, "; its metrics xfrm.sa.*, xfrm.policy.* and xfrm.tunnel.* are missing"},
	{associations.ErrOverrun, ""},
	{associations.ErrTunnelLimit, ""},
	{associations.ErrAssociationLimit, ""},
	{netns.ErrUnread, "; raise timeout, or read fewer namespaces"},
}

func newFailures(logger *zap.Logger) *failures {
	return &failures{
		// A stack of this package does not help an operator.
		logger: logger.WithOptions(zap.AddStacktrace(zapcore.DPanicLevel)),
		noted:  make(map[string]bool),
	}
}

// add notes why a namespace was not read, and how many points are missing.
func (f *failures) add(r netns.Reading, points int) {
	switch {
	case errors.Is(r.Err, netns.ErrNoStatistics) && (f.noStatistics || r.Namespace != nil && r.Namespace.IsMain()):
		// The main namespace comes first, and no other has what it lacks.
		if !f.noStatistics {
			f.noStatistics = true
			f.logger.Warn("No XFRM statistics to report: "+r.Err.Error(), zap.String("file", r.File))
		}
		return
	case errors.Is(r.Err, netns.ErrNotNamespace):
		if f.first(r.File) {
			f.logger.Debug("Skipped a file: it "+r.Err.Error(), zap.String("file", r.File))
		}
		return
	case errors.Is(r.Err, netns.ErrNoDirectory):
		if f.first(r.File) {
			f.logger.Info("No named network namespaces yet: "+r.Err.Error()+
				"; in a container, mount it with HostToContainer (rslave) propagation", zap.String("directory", r.File))
		}
		return
	case errors.Is(r.Err, netns.ErrOutsideRoot):
		if f.first(r.File) {
			f.logger.Warn("Skipped a file: it "+r.Err.Error(), zap.String("file", r.File))
		}
		return
	case errors.Is(r.Err, netns.ErrUnmounted), errors.Is(r.Err, netns.ErrInvalidName):
		f.logger.Warn("A named network namespace needs attention: "+r.Err.Error(), zap.String("file", r.File))
		return
	}
	f.points += points
	for _, s := range shared {
		if errors.Is(r.Err, s.cause) {
			f.append(failure{key: s.cause.Error(), err: r.Err, first: r.File, advice: s.advice, namespaces: 1})
			return
		}
	}
	pathErr := new(fs.PathError)
	if !errors.As(r.Err, &pathErr) {
		err := fmt.Errorf("%s: %w", r.File, r.Err)
		f.append(failure{key: err.Error(), err: err})
		return
	}
	key := r.Err.Error()
	if r.Namespace != nil {
		// The path contains the PID through which the namespace was read.
		key = r.Namespace.String() + ": " + pathErr.Err.Error()
	}
	f.append(failure{key: key, err: r.Err})
}

// addBadLines notes that lines of the file of a namespace gave no counter.
func (f *failures) addBadLines(r netns.Reading, bad *xfrmstat.BadLines) {
	if bad == nil {
		return
	}
	f.points += bad.Count
	f.append(failure{key: r.Namespace.String() + ": " + bad.Key(), err: fmt.Errorf("%s: %w", r.File, bad)})
}

// addAssociations notes why associations of a namespace are missing.
func (f *failures) addAssociations(ns *netns.Namespace, errs []error) {
	for _, err := range errs {
		switch {
		case errors.Is(err, netns.ErrGone):
		case errors.Is(err, context.DeadlineExceeded):
			f.add(netns.Reading{Namespace: ns, File: ns.String(), Err: netns.ErrUnread}, 0)
		case errors.Is(err, associations.ErrNoXfrmUser):
			if f.first(associations.ErrNoXfrmUser.Error()) {
				f.logger.Warn("No security associations to report: " + err.Error())
			}
		default:
			f.add(netns.Reading{Namespace: ns, File: ns.String(), Err: err}, 0)
		}
	}
}

func (f *failures) append(one failure) {
	for i := range f.now {
		if one.namespaces > 0 && f.now[i].key == one.key {
			f.now[i].namespaces++
			return
		}
	}
	if one.namespaces > 0 || len(f.now) < maxFailures {
		f.now = append(f.now, one)
	}
}

// noteRead notes that the statistics of a namespace were read.
func (f *failures) noteRead(file string, counters []xfrmstat.Counter) {
	if f.noStatistics {
		f.noStatistics = false
		f.logger.Info("XFRM statistics are now available", zap.String("file", file))
	}
	for _, c := range counters {
		if !c.Name.Known && f.first(c.Name.Kernel) {
			f.logger.Info("The kernel reports a counter that this version of the receiver does not know; it is forwarded",
				zap.String("counter", c.Name.Kernel),
				zap.Stringer("direction", c.Name.Direction), zap.String("reason", c.Name.Reason))
		}
	}
}

// first reports whether something is seen for the first time.
func (f *failures) first(key string) bool {
	if f.noted[key] {
		return false
	}
	if len(f.noted) >= maxNoted {
		return false
	}
	f.noted[key] = true
	return true
}

// interrupted notes that the shutdown ended a scrape.
func (f *failures) interrupted() {
	f.logger.Debug("Shutdown interrupted a scrape; its data is discarded")
}

// report logs what is new or over since the last scrape. It returns nil, or one
// partial error with the number of missing points: scraperhelper counts as errored
// only what is reported as partial.
func (f *failures) report() error {
	now, points := f.now, f.points
	before := f.before
	f.now, f.points, f.before = nil, 0, make(map[string]error, len(now))
	var errs, begun, over []error
	for _, one := range now {
		err := one.text()
		errs = append(errs, err)
		f.before[one.key] = err
		if before[one.key] == nil {
			begun = append(begun, err)
		}
	}
	for key, err := range before {
		if f.before[key] == nil {
			over = append(over, err)
		}
	}
	for _, err := range shorten(begun) {
		f.logger.Error("Reading from the kernel failed; this is logged once, until it changes",
			zap.Error(err), zap.Int("missing_points", points))
	}
	for _, err := range shorten(over) {
		f.logger.Info("Reading from the kernel works again", zap.NamedError("previous_error", err))
	}
	if len(errs) == 0 {
		return nil
	}
	return scrapererror.NewPartialScrapeError(errors.Join(shorten(errs)...), points)
}

func (one failure) text() error {
	switch {
	case one.namespaces == 1:
		return fmt.Errorf("%s: %w%s", one.first, one.err, one.advice)
	case one.namespaces > 1:
		return fmt.Errorf("%s and %d more: %w%s", one.first, one.namespaces-1, one.err, one.advice)
	default:
		return one.err
	}
}

// shorten bounds a list of errors.
func shorten(errs []error) []error {
	if more := len(errs) - maxShown; more > 0 {
		return append(errs[:maxShown:maxShown], fmt.Errorf("and %d more failures", more))
	}
	return errs
}
