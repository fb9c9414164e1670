package fleet

import (
	"context"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/eventsvc/eventsvc/internal/sleep"
)

// follower follows the logs of one user: the one that Podman writes by default, and the
// one named in the user's containers.conf.
type follower struct {
	from    *FromUsers
	sink    *Sink
	account atomic.Pointer[account]
	woken   chan struct{} // of capacity 1

	logs       []*userLog
	configured time.Time // when containers.conf was read
	fault      string
}

// run follows until the context ends.
func (u *follower) run(ctx context.Context) {
	defer func() {
		for _, l := range u.logs {
			l.close()
		}
	}()
	for ctx.Err() == nil {
		u.findLogs(ctx)
		more, pause, every := false, looksApart, rarelyEvery
		if u.account.Load().hasRuntime {
			every = usersEvery
		}
		for _, l := range u.logs {
			m, wait := u.look(ctx, l)
			more = more || m
			pause = max(pause, wait)
			if l.file != nil {
				every = usersEvery
			}
		}
		if more && pause == looksApart {
			continue
		}
		if !sleep.For(ctx, pause) { // changes in quick succession are read together
			return
		}
		if more {
			continue
		}
		select {
		case <-u.woken:
		case <-time.After(every):
		case <-ctx.Done():
		}
	}
}

// look reads one log. wait is how long the user has to wait for the next read.
func (u *follower) look(ctx context.Context, l *userLog) (more bool, wait time.Duration) {
	if wait := max(l.read.wait(), l.wrote.wait()); wait > 0 {
		return true, wait
	}
	next, fault := l.open(ctx)
	l.note(fault)
	select {
	case l.turn = <-u.from.turns:
	case <-ctx.Done():
		return false, 0
	}
	// Other users do not wait for a file system that hangs.
	slow := time.AfterFunc(slowCall, func() { u.from.turns <- newTurn() })
	more, err := l.look(next, fault)
	if slow.Stop() {
		if cap(l.turn.in)+cap(l.turn.out) > keptTurn {
			l.turn = newTurn()
		}
		u.from.turns <- l.turn
	}
	l.turn = nil
	if err != nil {
		l.note(err)
		l.close() // its file system may be gone; the path is opened again
		return true, usersEvery
	}
	return more, 0
}

// findLogs determines which logs the user has.
func (u *follower) findLogs(ctx context.Context) {
	a := *u.account.Load()
	if len(u.logs) > 0 && u.logs[0].account == a && time.Since(u.configured) < rarelyEvery {
		return
	}
	u.configured = time.Now()
	paths := []string{"/run/libpod/events/events.log"}
	if a.uid != 0 {
		paths[0] = filepath.Join(runtimeDirs, strconv.FormatUint(uint64(a.uid), 10), "libpod/tmp/events/events.log")
	}
	named := make(chan string, 1)
	err := u.from.ids.as(ctx, a.uid, a.gid, func() error {
		path, err := a.logPath(u.from.release)
		named <- path
		return err
	})
	if ctx.Err() != nil {
		return
	}
	u.note(err, a)
	if err == nil {
		if path := <-named; path != paths[0] {
			paths = append(paths, path)
		}
	}
	var logs []*userLog
	for _, path := range paths {
		logs = append(logs, u.log(a, path))
	}
	for _, l := range u.logs { // no longer named
		if len(logs) > 1 && l == logs[1] || l == logs[0] {
			continue
		}
		l.close()
	}
	u.logs = logs
}

// log returns the log at the path, the existing one if it is already followed.
func (u *follower) log(a account, path string) *userLog {
	for _, l := range u.logs {
		if l.path == path {
			l.account = a
			return l
		}
	}
	return &userLog{
		account: a, path: path, key: newLogKey(a.uid, path), from: u.from, sink: u.sink,
		read: bucket{most: readAtOnce, each: readEachSecond}, wrote: bucket{most: wroteAtOnce, each: wroteEachSecond},
	}
}

// note logs, once, why the user's containers.conf names no log.
func (u *follower) note(fault error, a account) {
	text := ""
	if fault != nil && a.hasRuntime {
		text = fault.Error()
	}
	if text != "" && text != u.fault {
		u.from.warn("cannot find out from containers.conf where the log of a user is; looking where Podman has it by default", nil, "uid", a.uid, "error", text)
	}
	u.fault = text
}
