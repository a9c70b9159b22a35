package netns

import (
	"errors"
	"time"
)

// Namespace is one network namespace. A Source gives the same pointer for the
// same namespace as long as that lives.
type Namespace struct {
	// Start is a lower bound of the time since when the namespace counts.
	Start time.Time
}

// Reading is the xfrm_stat of one namespace at one moment, or why there is none.
type Reading struct {
	// Namespace that was read.
	Namespace *Namespace
	// File is the path that was read, for messages.
	File string
	// Data is the content. It is valid until the function that got it returns.
	Data []byte
	// Err says why there is no Data: ErrNoStatistics, or an error that names the
	// path and the cause.
	Err error
}

// ErrNoStatistics says that the kernel keeps no XFRM statistics: proc is there,
// and xfrm_stat is not. Such a kernel was built without
// CONFIG_XFRM_STATISTICS.
var ErrNoStatistics = errors.New("the kernel has no XFRM statistics (it was built without CONFIG_XFRM_STATISTICS)")
