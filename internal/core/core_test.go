package core

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
)

// stranger may read the events of every user because the rig lets it, and is not
// trusted.
const stranger = 1234

type rig struct {
	*Core
	t      *testing.T
	format *feed.Format
}

func newRig(t *testing.T) *rig {
	t.Helper()
	st, err := logfile.Open(logfile.Options{Path: filepath.Join(t.TempDir(), "events.log")})
	if err != nil {
		t.Fatal(err)
	}
	f := feed.New(st)
	p := &access.Policy{Self: 990, Readers: access.Allowed{UIDs: []uint32{stranger}}}
	r := &rig{Core: New(f, p, nil), t: t}
	r.format = r.Register(func(frame []byte, r *store.Record) []byte { return append(frame, r.Line...) })
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); _ = st.Close() })
	return r
}

func caller(uid uint32) *Caller { return &Caller{Peer: access.Peer{UID: uid}} }

func (r *rig) write(names ...string) {
	r.t.Helper()
	for _, name := range names {
		event, err := r.ToWrite(caller(0), &NewEvent{Type: "volume", Status: "create", Name: name})
		if err == nil {
			err = r.Write(r.t.Context(), []events.Event{event})[0].Err
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) query(p Parameters) Query {
	r.t.Helper()
	p.AllUsers = true
	q, err := p.Query(time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	return q
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// names is a page of names.
type names struct {
	list []string
	size int
}

func (n *names) Add(r *feed.Record) int {
	e := r.Event()
	n.list = append(n.list, e.Name)
	return len(n.list) * n.size
}

func (n *names) Drop() { n.list = n.list[:len(n.list)-1] }

func TestPages_bounds(t *testing.T) {
	r := newRig(t)
	r.write("a", "b", "c", "d", "e")
	for _, test := range []struct {
		limit int64
		size  int // of an event
		want  string
	}{
		{AllEvents, 1, "[a b c d e] true true"},
		{2, 1, "[a b] false true"},
		{5, 1, "[a b c d e] true true"},
		{AllEvents, limits.PageBytes / 2, "[a b] false false, [c d] false false, [e] true true"},
		{AllEvents, 2 * limits.PageBytes, "[a] false false, [b] false false, [c] false false, [d] false false, [e] true true"},
	} {
		p, err := r.Pages(timeout(t), caller(0), r.query(Parameters{}), test.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for last := false; !last; {
			page := names{size: test.size}
			end, err := p.Next(&page)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(page.list, end.Complete, end.Last))
			last = end.Last
		}
		p.Close()
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("limit %d, %d bytes an event: %s, want %s", test.limit, test.size, text, test.want)
		}
	}
	var fault *Fault
	if _, err := r.Pages(timeout(t), caller(0), r.query(Parameters{}), 0); !errors.As(err, &fault) || fault.Get("parameter") != "limit" {
		t.Errorf("limit 0: %v", err)
	}
}

// A right that is taken back ends what it let begin, whatever it is.
func TestRead_rightTakenBack(t *testing.T) {
	r := newRig(t)
	r.write("a", "b")
	follows, err := r.Subscribe(timeout(t), caller(stranger), r.query(Parameters{}), r.format, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer follows.Close()
	past, err := r.Subscribe(timeout(t), caller(stranger), r.query(Parameters{FromStart: true}), r.format, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	pages, err := r.Pages(timeout(t), caller(stranger), r.query(Parameters{}), AllEvents)
	if err != nil {
		t.Fatal(err)
	}
	defer pages.Close()
	own, err := r.Subscribe(timeout(t), caller(4321), r.query(Parameters{}), r.format, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	r.Access().Allow(access.Allowed{}, access.Allowed{})
	r.write("c")
	var denied *access.Denied
	for _, s := range []*Stream{follows, past} {
		if d, err := s.Next(s.Context()); !errors.As(err, &denied) {
			t.Errorf("a stream gives %v, %v", d, err)
		}
	}
	if _, err := pages.Next(new(names)); !errors.As(err, &denied) {
		t.Errorf("pages give %v", err)
	}
	if own.Context().Err() != nil {
		t.Error("the stream of one's own events has ended")
	}
}

// A store that panics leaks nothing.
func TestSubscribe_panic(t *testing.T) {
	r := newRig(t)
	for range 2 * limits.PastReadersPerUID {
		func() {
			defer func() { _ = recover() }()
			q := r.query(Parameters{FromStart: true})
			q.after = "x"
			_, _ = (&Core{Guard: r.Guard, feed: feed.New(panicking{}), access: r.access, log: r.log}).Subscribe(timeout(t), caller(stranger), q, r.format, "test")
		}()
	}
	if n := r.PastReaders(); n > 0 {
		t.Errorf("%d users read the past", n)
	}
}

type panicking struct{ store.Store }

func TestPast_turns(t *testing.T) {
	r := newRig(t)
	r.write("a")
	var all []*Pages
	for range limits.PastReadersPerUID {
		p, err := r.Pages(timeout(t), caller(stranger), r.query(Parameters{}), 1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(ErrGone)
	if _, err := r.Pages(gone, caller(stranger), r.query(Parameters{}), 1); !errors.Is(err, ErrGone) {
		t.Errorf("one more than may: %v", err)
	}
	for _, uid := range []uint32{0, 7} {
		p, err := r.Pages(timeout(t), caller(uid), r.query(Parameters{}), 1)
		if err != nil {
			t.Fatalf("uid %d: %v", uid, err)
		}
		p.Close()
	}
	entered := make(chan error)
	go func() {
		p, err := r.Pages(timeout(t), caller(stranger), r.query(Parameters{}), 1)
		if err == nil {
			p.Close()
		}
		entered <- err
	}()
	all[0].Close()
	if err := <-entered; err != nil {
		t.Error(err)
	}
	for _, p := range all[1:] {
		p.Close()
	}
	if n := r.PastReaders(); n > 0 {
		t.Errorf("%d users are still known", n)
	}
}

// The memory held by a user's readings is bounded, whatever the store returns; a
// waiting reading continues when another has released some.
func TestPast_memory(t *testing.T) {
	r := newRig(t)
	reading := func() feed.Past {
		p := r.newPast(&access.Peer{UID: stranger})
		if err := p.Enter(timeout(t)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	a, b, c := reading(), reading(), reading()
	if err := a.Begin(timeout(t), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Begin(timeout(t), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Begin(gone, 0); err == nil {
		t.Error("three read at the same moment")
	}
	a.Hold(limits.PastMemoryPerUID)
	b.Hold(1)
	if err := c.Begin(gone, 0); err == nil {
		t.Error("more is read though too much is held")
	}
	trusted := r.newPast(&access.Peer{UID: 0})
	if err := trusted.Begin(gone, 0); err != nil {
		t.Errorf("a trusted reader waits: %v", err)
	}
	begun := make(chan error)
	go func() { begun <- c.Begin(timeout(t), 0) }()
	a.Leave()
	if err := <-begun; err != nil {
		t.Error(err)
	}
	b.Leave()
	c.Leave()
	c.Leave()
	if n := r.PastReaders(); n > 0 {
		t.Errorf("%d users are still known", n)
	}
}

// A subscriber that reads from the store is bounded as one that begins in the past.
func TestStream_past(t *testing.T) {
	r := newRig(t)
	r.write("a", "b")
	s, err := r.Subscribe(timeout(t), caller(stranger), r.query(Parameters{FromStart: true}), r.format, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all bytes.Buffer
	for live := false; !live; {
		d, err := s.Next(s.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = d.Frames.WriteTo(&all)
		live = d.Live
	}
	if n := r.PastReaders(); n > 0 {
		t.Errorf("%d users read the past though they have left it", n)
	}
	if text := all.String(); strings.Count(text, `"Name":"`) != 2 {
		t.Errorf("the events are %s", text)
	}
}

func TestWrite_faults(t *testing.T) {
	r := newRig(t)
	number := func(n int64) *int64 { return &n }
	for field, e := range map[string]*NewEvent{
		"type":                {Type: "nonsense", Status: "create"},
		"status":              {Type: "pod", Status: "nonsense"},
		"exitCode":            {Type: "pod", Status: "create", ExitCode: number(1 << 32)},
		"healthFailingStreak": {Type: "pod", Status: "create", HealthFailingStreak: number(-1)},
		"name":                {Type: "pod", Status: "create", Name: "a\x00"},
		"attributes":          {Type: "pod", Status: "create", Attributes: map[string]string{"": ""}},
		"healthLog":           {Type: "pod", Status: "create", HealthLog: strings.Repeat("x", limits.Event)},
	} {
		_, err := r.ToWrite(caller(0), e)
		var wrong *events.FieldError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if f := r.FaultOf(err, &access.Peer{}, ""); f.Kind != InvalidEvent || f.Get("field") != field {
			t.Errorf("%s: %+v", field, f)
		}
	}
	var denied *access.Denied
	if _, err := r.ToWrite(caller(stranger), &NewEvent{Type: "pod", Status: "create"}); !errors.As(err, &denied) {
		t.Errorf("a stranger writes: %v", err)
	}
	if _, err := r.ToWrite(&Caller{ReadOnly: true}, &NewEvent{Type: "pod", Status: "create"}); !errors.As(err, &denied) {
		t.Errorf("root writes where no user may: %v", err)
	}
}

func TestFaultOf_hidesFromStrangers(t *testing.T) {
	r := newRig(t)
	err := &events.UnavailableError{Backend: events.LogFile, Reason: "cannot open /secret/path"}
	if f := r.FaultOf(err, &access.Peer{UID: 0}, ""); f.Kind != BackendUnavailable || f.Get("reason") != err.Reason || f.Get("backend") != "file" {
		t.Errorf("root: %+v", f)
	}
	if f := r.FaultOf(err, &access.Peer{UID: 7}, ""); strings.Contains(f.Message+f.Get("reason"), "secret") {
		t.Errorf("a stranger: %+v", f)
	}
	if f := r.FaultOf(io.ErrUnexpectedEOF, &access.Peer{UID: 0}, ""); f.Kind != BackendUnavailable {
		t.Errorf("what is not expected: %+v", f)
	}
}
