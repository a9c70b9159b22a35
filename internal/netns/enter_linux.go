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

// tour is the state of a thread that goes from namespace to namespace and reads.
// Nothing else ever runs on that thread while it is abroad.
type tour struct {
	host   *host
	file   *fileReader
	home   int
	abroad bool
}

// visitAll reads the namespaces behind binds on a thread of its own, and hands
// each to handle, on the caller's goroutine. Those left when the context ends get
// ErrUnread. It returns after the thread has come home, or why it did not.
func visitAll(ctx context.Context, h *host, file *fileReader, binds []*bind, handle func(*bind)) error {
	t := &tour{host: h, file: file, home: -1}
	back := make(chan error, 1)
	spawn := func(run func()) {
		go onSpareThread(func() (reusable bool) {
			run()
			err := t.goHome()
			back <- err
			return err == nil
		})
	}
	read := func(b *bind, arena []byte) []byte {
		switch {
		case ctx.Err() != nil:
			b.err = ErrUnread
		case b.err == nil:
			arena, b.err = t.visit(b, arena)
		}
		return arena
	}
	readAhead(binds, spawn, read, handle)
	return <-back
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

// visit enters one namespace and appends what it read there to arena.
func (t *tour) visit(b *bind, arena []byte) ([]byte, error) {
	if t.home < 0 {
		home, err := openat(unix.AT_FDCWD, "/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC)
		if err != nil {
			return arena, &fs.PathError{Op: "open", Path: "/proc/thread-self/ns/net", Err: err}
		}
		t.home = home
	}
	fd, err := t.host.openNamespace(b)
	if err != nil {
		return arena, err
	}
	err = unix.Setns(fd, unix.CLONE_NEWNET)
	_ = unix.Close(fd)
	switch {
	case errors.Is(err, unix.EPERM):
		return arena, ErrNotPermitted
	case errors.Is(err, unix.EINVAL): // a file, or a namespace of another kind
		return arena, ErrNoNamespace
	case err != nil:
		return arena, fmt.Errorf("setns %s: %w", t.host.path(b.path), err)
	}
	t.abroad = true
	data, inode, err := t.file.read(unix.AT_FDCWD, threadFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return arena, ErrNoStatistics
	case err != nil:
		return arena, fmt.Errorf("read %s in %s: %w", threadFile, t.host.path(b.path), err)
	}
	begin := len(arena)
	arena = append(arena, data...)
	b.data, b.file = arena[begin:], inode
	return arena, nil
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
