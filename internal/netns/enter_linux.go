package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadFile is xfrm_stat of the namespace that the calling thread is in.
const threadFile = "/proc/thread-self/net/" + statFile

// batchSize is how many namespaces are read between two hand-overs from the
// thread that enters them. It bounds the memory and the time until a scrape can
// end.
const batchSize = 64

// tour is a goroutine on a thread of its own that goes from namespace to
// namespace and reads. Nothing else ever runs on that thread while it is abroad:
// what it read is handed over to the caller's goroutine.
type tour struct {
	host *host
	ctx  context.Context
	// next are binds to read, done answers that they are read.
	next chan []*bind
	done chan struct{}
	// back is the answer to the end of next: whether the thread came home.
	back chan error

	home   int
	abroad bool
	file   *fileReader
	arena  []byte
}

// startTour starts the goroutine. The caller must call end.
func startTour(ctx context.Context, h *host, file *fileReader) *tour {
	t := &tour{host: h, ctx: ctx, next: make(chan []*bind), done: make(chan struct{}), back: make(chan error, 1), home: -1, file: file}
	go onSpareThread(t.run)
	return t
}

// read enters each namespace and fills in data, file and err. The data is valid
// until the next call. Those left when the context ends get ErrUnread.
func (t *tour) read(binds []*bind) {
	t.next <- binds
	<-t.done
}

// end brings the thread home and waits for that.
func (t *tour) end() error {
	close(t.next)
	return <-t.back
}

// onSpareThread runs f on a locked thread that is not the process's main one:
// that gives the process its /proc/self/net, and a thread that could not return
// home is thrown away, which the main one cannot be. f says whether the thread
// may be used again.
func onSpareThread(f func() (reusable bool)) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// While this goroutine holds the main thread, another gets another.
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
	// Else the runtime ends the thread, with the goroutine that is locked to it.
}

func (t *tour) run() (reusable bool) {
	for binds := range t.next {
		t.arena = t.arena[:0]
		for _, b := range binds {
			if t.ctx.Err() != nil {
				b.err = ErrUnread
				continue
			}
			if b.err == nil {
				b.err = t.visit(b)
			}
		}
		t.done <- struct{}{}
	}
	err := t.goHome()
	t.back <- err
	return err == nil
}

// visit enters one namespace and reads there.
func (t *tour) visit(b *bind) error {
	if t.home < 0 {
		home, err := openat(unix.AT_FDCWD, "/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC)
		if err != nil {
			return &fs.PathError{Op: "open", Path: "/proc/thread-self/ns/net", Err: err}
		}
		t.home = home
	}
	fd, err := t.host.openNamespace(b)
	if err != nil {
		return err
	}
	err = unix.Setns(fd, unix.CLONE_NEWNET)
	_ = unix.Close(fd)
	switch {
	case errors.Is(err, unix.EPERM):
		return ErrNotPermitted
	case errors.Is(err, unix.EINVAL): // a namespace of another kind
		return ErrNoNamespace
	case err != nil:
		return fmt.Errorf("setns %s: %w", t.host.path(b.path), err)
	}
	t.abroad = true
	data, inode, err := t.file.read(unix.AT_FDCWD, threadFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoStatistics
	case err != nil:
		return fmt.Errorf("read %s in %s: %w", threadFile, t.host.path(b.path), err)
	}
	begin := len(t.arena)
	t.arena = append(t.arena, data...)
	b.data, b.file = t.arena[begin:], inode
	return nil
}

func (t *tour) goHome() error {
	if t.home < 0 {
		return nil
	}
	defer unix.Close(t.home)
	if !t.abroad {
		return nil
	}
	if err := unix.Setns(t.home, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns home, the thread is thrown away: %w", err)
	}
	return nil
}
