package xfrmreceiver

import (
	"errors"
	"fmt"
	"io/fs"

	"go.opentelemetry.io/collector/scraper/scrapererror"

	"github.com/xfrmreceiver/xfrmreceiver/internal/netns"
	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// failure is one thing that went wrong in a scrape.
type failure struct {
	err error
	// key is equal for the same failure in the next scrape. It differs from the
	// text of err where that holds something that moves.
	key string
	// points is how many data points are missing because of it.
	points int
}

// failures collects what went wrong in one scrape.
type failures struct {
	all []failure
	// shared are failures that strike many namespaces for one cause.
	shared []shared
}

// shared is a failure of many namespaces.
type shared struct {
	cause error
	// first is the first of them.
	first      string
	namespaces int
	points     int
}

// maxShownFailures bounds the text where hundreds of namespaces fail.
const maxShownFailures = 10

// sharedCauses are the causes that are told once for all namespaces, and how to
// be rid of them.
var sharedCauses = map[error]string{
	netns.ErrNotPermitted: "; give the collector that capability, or find the namespaces by " +
		"network_namespaces::processes, which needs none",
	netns.ErrHidden: "; network namespaces in which only such processes live are missing: mount proc without hidepid, " +
		"or give the collector the group of its gid option",
	netns.ErrUnread: "; raise timeout, or read fewer namespaces",
}

// ofNamespace adds that a namespace, found at file, could not be read.
func (f *failures) ofNamespace(ns *netns.Namespace, file string, err error, points int) {
	for cause := range sharedCauses {
		if errors.Is(err, cause) {
			f.share(file, cause, points)
			return
		}
	}
	key := err.Error()
	if pathErr := new(fs.PathError); ns != nil && errors.As(err, &pathErr) {
		// The path holds the PID through which the namespace was read this time.
		key = ns.String() + ": " + pathErr.Err.Error()
	}
	f.all = append(f.all, failure{err: err, key: key, points: points})
}

func (f *failures) share(file string, cause error, points int) {
	for i := range f.shared {
		if f.shared[i].cause == cause { //nolint:errorlint // the cause itself, not what wraps it
			f.shared[i].namespaces++
			f.shared[i].points += points
			return
		}
	}
	f.shared = append(f.shared, shared{cause: cause, first: file, namespaces: 1, points: points})
}

// badLines adds that some lines of a file gave no counter.
func (f *failures) badLines(file string, bad *xfrmstat.BadLines) {
	f.all = append(f.all, failure{
		err:    fmt.Errorf("%s: %w", file, bad),
		key:    file + ": " + bad.Key(),
		points: bad.Count,
	})
}

// list returns all failures, those that many namespaces share as one each.
func (f *failures) list() []failure {
	list := f.all
	for _, s := range f.shared {
		err := fmt.Errorf("%s: %w%s", s.first, s.cause, sharedCauses[s.cause])
		if s.namespaces > 1 {
			err = fmt.Errorf("%s and %d more: %w%s", s.first, s.namespaces-1, s.cause, sharedCauses[s.cause])
		}
		list = append(list, failure{err: err, key: s.cause.Error(), points: s.points})
	}
	return list
}

// asError returns nil, or one partial error with the number of missing points:
// scraperhelper counts as errored only what is reported as partial.
func asError(failed []failure) error {
	if len(failed) == 0 {
		return nil
	}
	var errs []error
	points := 0
	for i, one := range failed {
		points += max(1, one.points)
		if i < maxShownFailures {
			errs = append(errs, one.err)
		}
	}
	if more := len(failed) - len(errs); more > 0 {
		errs = append(errs, fmt.Errorf("and %d more failures", more))
	}
	return scrapererror.NewPartialScrapeError(errors.Join(errs...), points)
}
