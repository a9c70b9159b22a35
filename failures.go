package xfrmreceiver

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/scraper/scrapererror"

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

// failures are what went wrong in one scrape.
type failures []failure

// maxShownFailures bounds the text where hundreds of namespaces fail.
const maxShownFailures = 10

func (f *failures) add(one failure) {
	if one.key == "" {
		one.key = one.err.Error()
	}
	*f = append(*f, one)
}

// asError returns nil, or one partial error with the number of missing points:
// scraperhelper counts as errored only what is reported as partial.
func (f failures) asError() error {
	if len(f) == 0 {
		return nil
	}
	var errs []error
	points := 0
	for i, one := range f {
		points += one.points
		if i < maxShownFailures {
			errs = append(errs, one.err)
		}
	}
	if more := len(f) - len(errs); more > 0 {
		errs = append(errs, fmt.Errorf("and %d more failures", more))
	}
	return scrapererror.NewPartialScrapeError(errors.Join(errs...), points)
}

func badLines(file string, bad *xfrmstat.BadLines) failure {
	return failure{
		err:    fmt.Errorf("%s: %w", file, bad),
		key:    file + ": " + bad.Key(),
		points: bad.Count,
	}
}
