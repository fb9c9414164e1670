package access

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
)

const (
	self     = 990
	stranger = 1000
)

func TestRead_rights(t *testing.T) {
	p := Policy{Self: self, Readers: Allowed{UIDs: []uint32{1001}, GIDs: []uint32{50}}}
	for _, test := range []struct {
		name string
		peer Peer
		want int64
	}{
		{"Root reads everything", Peer{UID: 0}, store.AnyUID},
		{"The user of the service reads everything", Peer{UID: self}, store.AnyUID},
		{"An allowed user reads everything", Peer{UID: 1001}, store.AnyUID},
		{"A member of an allowed primary group reads everything", Peer{UID: stranger, GID: 50}, store.AnyUID},
		{"A member of an allowed supplementary group reads everything", Peer{UID: stranger, Groups: []uint32{7, 50}}, store.AnyUID},
		{"A stranger reads the events of its own uid", Peer{UID: stranger, GID: 100, Groups: []uint32{0, 7}}, stranger},
	} {
		t.Run(test.name, func(t *testing.T) {
			uid, err := p.Read(&test.peer)
			if err != nil || uid != test.want {
				t.Errorf("Read(%v) = %d, %v, want %d", test.peer, uid, err, test.want)
			}
			if all := p.ReadsAll(&test.peer); all != (test.want == store.AnyUID) {
				t.Errorf("ReadsAll(%v) = %v", test.peer, all)
			}
		})
	}
}

// TestView_isTheCallersOwn: what a caller gets is never more than it may read, and
// without asking for more only what is its own.
func TestView_isTheCallersOwn(t *testing.T) {
	p := Policy{Self: self, Readers: Allowed{UIDs: []uint32{1001}}}
	of := func(uid int64, unknown bool) store.Query { return store.Query{UID: uid, UnknownUser: unknown} }
	for _, test := range []struct {
		uid      uint32
		foreign  bool
		own, all store.Query
	}{
		{0, false, of(0, true), of(store.AnyUID, false)},
		{self, false, of(self, true), of(store.AnyUID, false)},
		{1001, false, of(1001, false), of(store.AnyUID, false)},
		{stranger, false, of(stranger, false), of(stranger, false)},
		{0, true, of(store.AnyUID, false), of(store.AnyUID, false)},
		{1001, true, of(store.AnyUID, false), of(store.AnyUID, false)},
	} {
		p.Foreign = test.foreign
		for _, asked := range []struct {
			filters  []string
			allUsers bool
			want     store.Query
		}{
			{nil, false, test.own},
			{[]string{"type=container"}, false, test.own},
			{nil, true, test.all},
			{[]string{"uid=*"}, false, test.all},
			{[]string{"uid=7"}, false, test.all},
			{[]string{"UID!=7"}, false, test.all},
		} {
			query := store.Everything()
			var err error
			if query.Filters, err = filter.Parse(asked.filters); err != nil {
				t.Fatal(err)
			}
			if err := p.View(&Peer{UID: test.uid}, &query, asked.allUsers); err != nil {
				t.Errorf("View of uid %d: %v", test.uid, err)
			}
			query.Filters, query.Since, query.Until = nil, 0, 0
			if query != asked.want {
				t.Errorf("uid %d, foreign %v, filters %q, all users %v: %+v, want %+v", test.uid, test.foreign, asked.filters,
					asked.allUsers, query, asked.want)
			}
		}
	}
	query := store.Everything()
	if err := p.View(&Peer{UID: overflowUID}, &query, false); err == nil {
		t.Error("a user whom the kernel cannot name gets events")
	}
}

func TestPolicy_eventsOfOtherHosts(t *testing.T) {
	p := Policy{Self: self, Readers: Allowed{UIDs: []uint32{1001}}, Foreign: true}
	var denied *Denied
	if uid, err := p.Read(&Peer{UID: stranger}); !errors.As(err, &denied) {
		t.Errorf("a stranger reads the events of uid %d, %v", uid, err)
	}
	for _, uid := range []uint32{0, self, 1001} {
		if got, err := p.Read(&Peer{UID: uid}); err != nil || got != store.AnyUID {
			t.Errorf("Read of uid %d = %d, %v", uid, got, err)
		}
	}
}

// A user without an ID in this namespace reads nothing unless allowed.
func TestRead_userWithoutID(t *testing.T) {
	nobody := Peer{UID: overflowUID, PID: 4}
	var p Policy
	uid, err := p.Read(&nobody)
	var denied *Denied
	if !errors.As(err, &denied) || denied.Action != ReadEvents || uid == store.AnyUID {
		t.Errorf("Read = %d, %v, want *Denied", uid, err)
	}
	p.Readers.UIDs = []uint32{overflowUID}
	if uid, err := p.Read(&nobody); err != nil || uid != store.AnyUID {
		t.Errorf("Read of an allowed nobody = %d, %v", uid, err)
	}
}

func TestWrite_rights(t *testing.T) {
	p := Policy{Self: self, Readers: Allowed{UIDs: []uint32{1002}}, Writers: Allowed{UIDs: []uint32{1001}, GIDs: []uint32{50}}}
	for _, test := range []struct {
		name     string
		peer     Peer
		readOnly bool
		want     bool
	}{
		{"Root writes", Peer{UID: 0}, false, true},
		{"The user of the service writes", Peer{UID: self}, false, true},
		{"An allowed user writes", Peer{UID: 1001}, false, true},
		{"A member of an allowed group writes", Peer{UID: stranger, Groups: []uint32{50}}, false, true},
		{"A stranger does not write", Peer{UID: stranger}, false, false},
		{"Who may read everything does not write", Peer{UID: 1002}, false, false},
		{"Root does not write through a read-only door", Peer{UID: 0}, true, false},
		{"An allowed user does not write through a read-only door", Peer{UID: 1001}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := p.Write(&test.peer, test.readOnly)
			var denied *Denied
			if test.want != (err == nil) || !test.want && !errors.As(err, &denied) {
				t.Errorf("Write(%v, %v) = %v", test.peer, test.readOnly, err)
			}
		})
	}
}

// A denial is logged with user and process.
func TestDenial_logged(t *testing.T) {
	var log bytes.Buffer
	p := Policy{Self: self, Log: slog.New(slog.NewTextHandler(&log, nil))}
	err := p.Write(&Peer{UID: stranger, PID: 4711}, false)
	for _, want := range []string{"uid=1000", "pid=4711", `"write events"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	if !strings.HasPrefix(err.Error(), "cannot write events: permission denied for uid 1000") {
		t.Errorf("error is %q", err)
	}
}

func TestDenial_logBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := Policy{Self: self, Log: slog.New(slog.NewTextHandler(&log, nil))}
		const tries = 1000
		for range tries {
			_ = p.Write(&Peer{UID: stranger}, false)
		}
		if lines := strings.Count(log.String(), "\n"); lines != limits.DenialBurst {
			t.Errorf("%d denials at once made %d lines, want %d", tries, lines, limits.DenialBurst)
		}
		log.Reset()
		time.Sleep(limits.DenialPause)
		_ = p.Write(&Peer{UID: stranger}, false)
		_ = p.Write(&Peer{UID: stranger}, false)
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "notLogged=980") {
			t.Errorf("after a pause the log says %q, want one line that counts what was not logged", got)
		}
	})
}

// Users and groups are allowed by name or number.
func TestAllow_nameOrNumber(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skipf("this process has no user: %v", err)
	}
	a, err := ParseAllowed([]string{me.Username, "12", "@" + me.Gid, "@0"})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.UIDs) != 2 || a.UIDs[0] != uint32(os.Getuid()) || a.UIDs[1] != 12 || len(a.GIDs) != 2 || a.GIDs[1] != 0 {
		t.Errorf("ParseAllowed = %+v", a)
	}
}

// The error for an unknown user or group names it.
func TestAllow_unknownName(t *testing.T) {
	for _, word := range []string{"", "@", "no-such-user-here", "@no-such-group-here", "4294967295", "99999999999", "-1"} {
		if _, err := ParseAllowed([]string{word}); err == nil || !strings.HasPrefix(err.Error(), "cannot allow ") {
			t.Errorf("ParseAllowed(%q) gives the error %v", word, err)
		}
	}
}
