package xfrmreceiver

import (
	"fmt"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/xfrmreceiver/xfrmreceiver/internal/xfrmstat"
)

// scrapeLog says each thing once: what fails when it begins to fail and when
// that is over, and a counter that is new when it is first seen.
type scrapeLog struct {
	logger   *zap.Logger
	failing  map[string]error
	missing  map[string]bool
	notes    map[string]bool
	newNames map[string]bool
}

const (
	// maxNewNames bounds the memory that a file of garbage can take.
	maxNewNames = 100
	// maxNotes bounds the memory that files which come and go can take; beyond
	// it something may be said again.
	maxNotes = 1000
)

func newScrapeLog(logger *zap.Logger) *scrapeLog {
	return &scrapeLog{
		// The stack of this package tells an operator nothing.
		logger:   logger.WithOptions(zap.AddStacktrace(zapcore.DPanicLevel)),
		failing:  make(map[string]error),
		missing:  make(map[string]bool),
		notes:    make(map[string]bool),
		newNames: make(map[string]bool),
	}
}

// report compares the failures of this scrape with those of the last.
func (l *scrapeLog) report(now []failure) {
	before := l.failing
	if len(now) == 0 && len(before) == 0 {
		return
	}
	l.failing = make(map[string]error, len(now))
	shown, more := 0, 0
	for _, f := range now {
		l.failing[f.key] = f.err
		if _, known := before[f.key]; known {
			continue
		}
		if shown++; shown > maxShownFailures {
			more++
			continue
		}
		l.logger.Error("Reading the XFRM statistics failed; this is logged once, until it changes",
			zap.Error(f.err), zap.Int("missing_points", f.points))
	}
	if more > 0 {
		l.logger.Error(fmt.Sprintf("Reading the XFRM statistics failed in %d more cases", more))
	}
	l.reportOver(before)
}

func (l *scrapeLog) reportOver(before map[string]error) {
	shown, more := 0, 0
	for key, err := range before {
		if _, still := l.failing[key]; still {
			continue
		}
		if shown++; shown > maxShownFailures {
			more++
			continue
		}
		l.logger.Info("A failure to read the XFRM statistics is over", zap.NamedError("was", err))
	}
	if more > 0 {
		l.logger.Info(fmt.Sprintf("%d more failures to read the XFRM statistics are over", more))
	}
}

// statisticsMissing warns of a kernel without the statistics.
func (l *scrapeLog) statisticsMissing(file string, err error) {
	if l.missing[file] {
		return
	}
	l.missing[file] = true
	l.logger.Warn("There is nothing to report: "+err.Error()+"; this is logged once, until the file appears",
		zap.String("file", file))
}

// statisticsFound says that statistics which were missing have appeared.
func (l *scrapeLog) statisticsFound(file string) {
	if len(l.missing) == 0 || !l.missing[file] {
		return
	}
	delete(l.missing, file)
	l.logger.Info("The kernel's XFRM statistics have appeared", zap.String("file", file))
}

// skipped notes a file among the named namespaces that is none.
func (l *scrapeLog) skipped(file string, err error) {
	if l.first(file) {
		l.logger.Debug("Skipped: "+err.Error(), zap.String("file", file))
	}
}

// directoryMissing notes that a directory of named namespaces is not there yet.
func (l *scrapeLog) directoryMissing(directory string, err error) {
	if l.first(directory) {
		l.logger.Info("There are no named network namespaces yet: "+err.Error()+
			"; in a container, mount it with HostToContainer (rslave) propagation", zap.String("directory", directory))
	}
}

// ended notes that a scrape was under way when the receiver was shut down.
func (l *scrapeLog) ended() {
	l.logger.Debug("The shutdown ended a scrape; nothing of it is emitted")
}

func (l *scrapeLog) first(key string) bool {
	if l.notes[key] {
		return false
	}
	if len(l.notes) >= maxNotes {
		clear(l.notes)
	}
	l.notes[key] = true
	return true
}

// newCounter tells of a counter that the receiver forwards without knowing it.
func (l *scrapeLog) newCounter(name *xfrmstat.Name) {
	if l.newNames[name.Kernel] || len(l.newNames) >= maxNewNames {
		return
	}
	l.newNames[name.Kernel] = true
	l.logger.Info("The kernel has a counter that this version of the receiver does not know; it is forwarded",
		zap.String("counter", name.Kernel),
		zap.Stringer("direction", name.Direction), zap.String("reason", name.Reason))
}

// helperMessage is what scraperhelper logs about every failed scrape, at error
// level and with a stack (scraperhelper/obs_metrics.go).
const helperMessage = "Error scraping metrics"

// withoutScrapeErrors returns a logger for scraperhelper that leaves its message
// about a failed scrape to scrapeLog.
func withoutScrapeErrors(logger *zap.Logger) *zap.Logger {
	return logger.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return helperCore{core}
	}))
}

type helperCore struct{ zapcore.Core }

func (c helperCore) With(fields []zapcore.Field) zapcore.Core {
	return helperCore{c.Core.With(fields)}
}

func (c helperCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if entry.Message == helperMessage {
		return checked
	}
	return c.Core.Check(entry, checked)
}
