//go:build systemd

package test

import (
	"fmt"
	"maps"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Eight followers get what four writers write.
func TestJournal_eightFollowersFourWriters(t *testing.T) {
	eightFollowers(t, startRoom(t).startDaemon(), counts(100, 2000))
}

// Subscribers that come and go miss nothing.
func TestJournal_subscribersComeAndGo(t *testing.T) {
	comeAndGo(t, startRoom(t).startDaemon(), counts(100, 2000))
}

// A stalled subscriber delays no other client.
func TestJournal_stalledSubscriber(t *testing.T) {
	stalled(t, startRoom(t).startDaemon(), counts(300, 3000))
}

// TestJournal_severalUsers: root and two users write while journald rotates, flushes to
// /var and restarts. It compares what followers get with each other, with the history,
// and with what was sent.
func TestJournal_severalUsers(t *testing.T) {
	r := startRoom(t)
	d := r.startDaemon()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.stderr.String())
		}
	})
	users := []int{0, 0, 1000, 1001}
	count, rate := counts(600, 4000), 400
	got := make([]watched, 4)
	var following sync.WaitGroup
	for i := range got {
		got[i].who = fmt.Sprintf("follower %d", i)
		w := d.subscribe(params{"fromStart": i%2 == 0, "allUsers": true})
		following.Go(func() {
			var err error
			if got[i].events, err = w.collect(isEnd); err != nil {
				t.Errorf("%s: %v\n%s", got[i].who, err, d.stderr)
			}
		})
	}
	visitors := make(chan struct{})
	var visiting sync.WaitGroup
	visiting.Go(func() { resumeAgainAndAgain(t, d, visitors) })

	phase := func(name string, meanwhile func()) {
		wait := r.writers(name, users, count, rate)
		done := make(chan struct{})
		go func() {
			defer close(done)
			wait()
		}()
		for writing := true; writing; {
			select {
			case <-done:
				writing = false
			case <-time.After(150 * time.Millisecond):
				meanwhile()
			}
		}
		r.settle()
		t.Logf("%s: done", name)
	}
	phase("volatile", func() {})
	flushed := false
	phase("flush", func() {
		if !flushed {
			r.flush()
			flushed = true
		}
	})
	// Not so often that journald removes the oldest of them (SystemMaxFiles=).
	rotations := 0
	rotate := func() {
		if rotations++; rotations <= 12 {
			r.rotate()
		}
	}
	phase("rotate", rotate)
	r.stop(syscall.SIGTERM)
	r.start()
	rotations = 0
	phase("restarted", rotate)
	r.stop(syscall.SIGKILL)
	r.start()
	phase("killed", func() {})

	m := newModel(t)
	m.end(d)
	following.Wait()
	close(visitors)
	visiting.Wait()
	log := d.history(everyUser)
	n, missed, repeated, disordered, _ := sequences(log)
	t.Logf("the history has %d of %d events; %d missed, %d repeated, %d out of order", n, 5*len(users)*count, missed, repeated, disordered)
	if n != 5*len(users)*count || missed+repeated+disordered != 0 {
		t.Error("the history is not what was sent")
	}
	for i := range got {
		m.checkAll(&got[i], log)
	}
	if s := d.call("GetStatus", nil).Parameters; s.Skipped != 0 {
		t.Errorf("%d entries were left out: %s", s.Skipped, s.LastSkipped)
	}
}

// everyUser asks for the events of every user.
var everyUser = params{"allUsers": true}

// resumeAgainAndAgain reads a few events, disconnects, and resumes after the last one,
// until it is stopped.
func resumeAgainAndAgain(t *testing.T, d *daemon, end <-chan struct{}) {
	var all []event
	cursor := ""
	for ended := false; !ended; {
		select {
		case <-end:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
		p := maps.Clone(everyUser)
		if cursor != "" {
			p["after"] = cursor
		}
		page := d.history(p)
		all = append(all, page...)
		if len(page) > 0 {
			cursor = page[len(page)-1].Cursor
		}
	}
	log := d.history(everyUser)
	if len(all) != len(log) {
		t.Errorf("who resumed again and again got %d events of %d", len(all), len(log))
	}
	for i := range min(len(all), len(log)) {
		if all[i].Cursor != log[i].Cursor {
			t.Errorf("who resumed again and again got %s as event %d, in the log it is %s", all[i].Name, i, log[i].Name)
			return
		}
	}
}
