// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"
)

// nsThread is the state of a locked operating system thread that enters network
// namespaces. No other goroutine runs on the thread while it is in one of them.
type nsThread struct {
	// dir is the directory of the calling thread in proc, /proc/thread-self. What
	// it shows of the network is that of the namespace that the thread is in.
	dir string
	// original is an open descriptor of the thread's own namespace, or -1.
	original int
	entered  bool
}

// onThread runs f on a thread of its own and returns when the thread is back in
// its own namespace, or else has been discarded. proc is where the proc of this
// process is mounted.
func onThread(proc string, f func(*nsThread)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		onSpareThread(func() (reusable bool) {
			t := &nsThread{dir: proc + "/thread-self", original: -1}
			f(t)
			return t.restore()
		})
	}()
	<-done
}

// onSpareThread runs f on a locked thread that is not the main one of the process:
// the namespace of the main thread is that of /proc/self/net, and a thread that
// cannot return is discarded, which the main one cannot be. f says whether the
// thread may be used again.
func onSpareThread(f func() (reusable bool)) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// While this goroutine holds the main thread, another goroutine gets
		// another thread.
		finished := make(chan struct{})
		go func() {
			defer close(finished)
			onSpareThread(f)
		}()
		<-finished
		runtime.UnlockOSThread()
		return
	}
	if f() {
		runtime.UnlockOSThread()
	}
	// Otherwise the runtime ends the thread together with the goroutine that is
	// locked to it.
}

// open opens the thread's own namespace, to return to it. It must succeed before
// enter is called.
func (t *nsThread) open() error {
	path := t.dir + "/ns/net"
	fd, err := openat(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		// Not wrapped: fs.ErrNotExist would mean that a named namespace is gone.
		return fmt.Errorf("open %s, to return to this process's own network namespace: %v", path, err) //nolint:errorlint // see above
	}
	t.original = fd
	return nil
}

// enter enters the namespace that the descriptor refers to.
func (t *nsThread) enter(fd int) error {
	err := unix.Setns(fd, unix.CLONE_NEWNET)
	switch {
	case errors.Is(err, unix.EPERM):
		return whySetnsRefused()
	case errors.Is(err, unix.EINVAL): // a namespace of another kind
		return ErrNotNamespace
	case err != nil:
		return fmt.Errorf("setns: %w", err)
	}
	t.entered = true
	return nil
}

// restore returns to the thread's own namespace, and reports whether the thread is
// there.
func (t *nsThread) restore() bool {
	if t.original < 0 {
		return true
	}
	defer unix.Close(t.original)
	return !t.entered || unix.Setns(t.original, unix.CLONE_NEWNET) == nil
}

// identify returns the inode number that identifies the namespace that the thread
// is in.
func (t *nsThread) identify() (uint64, error) {
	inode, err := inodeOf(unix.AT_FDCWD, t.dir+"/"+identityFile)
	if err != nil {
		return 0, fmt.Errorf("stat %s/%s: %v", t.dir, identityFile, err) //nolint:errorlint // as in open
	}
	return inode, nil
}

// read returns xfrm_stat of the namespace that the thread is in.
func (t *nsThread) read(file *fileReader) ([]byte, error) {
	data, err := file.read(unix.AT_FDCWD, t.dir+"/"+statFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoStatistics
	}
	return data, err
}
