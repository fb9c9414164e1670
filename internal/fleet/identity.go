package fleet

import (
	"context"
	"runtime"
	"time"

	"github.com/pkg/errors"
	"golang.org/x/sys/unix"
)

// identities calls functions with a user's rights in the file system, on dedicated
// threads: fsuid, fsgid and groups belong to a thread. While a thread has the fsuid of
// a user, the kernel removes the capabilities that override file modes, and restores
// them afterwards.
type identities struct {
	slots chan struct{}
	idle  chan chan call
}

type call struct {
	uid, gid int
	f        func() error
	done     chan<- error
}

const (
	// mostCalls is how many calls run at a time, and mostIdle how many threads wait for
	// one.
	mostCalls = 4
	mostIdle  = 2
	// slowCall is after how long a call no longer counts towards mostCalls: a file
	// system that hangs delays only its user's events.
	slowCall = 2 * time.Second
)

func newIdentities() *identities {
	return &identities{slots: make(chan struct{}, mostCalls), idle: make(chan chan call, mostIdle)}
}

// as calls f as the user, and returns its error. If the context ends first, it returns
// the context's error without waiting for f.
func (i *identities) as(ctx context.Context, uid, gid uint32, f func() error) error {
	select {
	case i.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	released := time.AfterFunc(slowCall, func() { <-i.slots })
	defer func() {
		if released.Stop() {
			<-i.slots
		}
	}()
	var thread chan call
	select {
	case thread = <-i.idle:
	default:
		thread = make(chan call, 1)
		go i.serve(thread)
	}
	done := make(chan error, 1)
	thread <- call{uid: int(uid), gid: int(gid), f: f, done: done}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serve is one thread. It ends with the goroutine, which stays locked to it.
func (i *identities) serve(calls chan call) {
	runtime.LockOSThread()
	// Drop the service's own groups. The wrapper would change all threads.
	_, _, failed := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
	for c := range calls {
		var err error
		switch {
		case failed != 0:
			err = errors.Wrap(failed, "cannot give up the groups of this process")
		default:
			err = become(c.uid, c.gid)
		}
		if err == nil {
			err = c.f()
		}
		back := become(unix.Geteuid(), unix.Getegid())
		c.done <- err
		if failed != 0 || back != nil {
			return
		}
		select {
		case i.idle <- calls:
		default:
			return
		}
	}
}

// become sets the thread's user and group in the file system.
func become(uid, gid int) error {
	for _, change := range []struct {
		set func(int) (int, error)
		to  int
	}{{unix.SetfsgidRetGid, gid}, {unix.SetfsuidRetUid, uid}} {
		_, _ = change.set(change.to)
		if now, _ := change.set(-1); now != change.to { // it does not report an error
			return errors.Errorf("cannot take the rights of user %d: the capabilities CAP_SETUID and CAP_SETGID are needed", uid)
		}
	}
	return nil
}
