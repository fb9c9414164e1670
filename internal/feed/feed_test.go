package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
)

// nameFrame is a format whose frames are the names of the events.
func nameFrame(frame []byte, r *store.Record) []byte {
	frame = append(frame, r.Fields.Raw(r.Line, line.Name)...)
	return append(frame, '\n')
}

type rig struct {
	*Feed
	t     *testing.T
	path  string
	names *Format
}

func start(t *testing.T, base, limit int) *rig {
	t.Helper()
	return startAt(t, filepath.Join(t.TempDir(), "events.log"), base, limit)
}

// startAt is start for a log that may be there already.
func startAt(t *testing.T, path string, base, limit int) *rig {
	t.Helper()
	st, err := logfile.Open(logfile.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	f := New(st)
	f.base, f.max = base, limit
	r := &rig{Feed: f, t: t, path: path, names: f.Register(nameFrame)}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); _ = st.Close() })
	return r
}

func event(n int) events.Event {
	return events.Event{Type: events.Volume, Status: events.Create, Name: fmt.Sprintf("v%d", n), Time: time.Unix(1e9, int64(n)*1001)}
}

func (r *rig) write(from, to int) {
	r.t.Helper()
	for n := from; n < to; n++ {
		if _, err := store.Cursors(r.Write(context.Background(), []events.Event{event(n)})); err != nil {
			r.t.Fatal(err)
		}
	}
}

// read returns the names of the next n events.
func (s *Subscription) read(ctx context.Context, n int) (names []string, err error) {
	for len(names) < n {
		d, err := s.Next(ctx)
		if err != nil {
			return names, err
		}
		var b strings.Builder
		for _, frame := range d.Frames {
			b.Write(frame)
		}
		if text := strings.TrimSpace(b.String()); text != "" {
			names = append(names, strings.Split(text, "\n")...)
		}
	}
	return names, nil
}

func (r *rig) subscribe(request Request) *Subscription {
	r.t.Helper()
	if request.Query == (Query{}) {
		request.Query = Everything()
	}
	request.Format = r.names
	s, err := r.Subscribe(context.Background(), request)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return s
}

func want(t *testing.T, got []string, from, to int) {
	t.Helper()
	if len(got) != to-from {
		t.Fatalf("got %d events, want %d", len(got), to-from)
	}
	for i, name := range got {
		if name != fmt.Sprintf("v%d", from+i) {
			t.Fatalf("event %d is %s", from+i, name)
		}
	}
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestSubscription_historyThenNew(t *testing.T) {
	r := start(t, 4000, 8000)
	r.write(0, 50)
	s := r.subscribe(Request{History: true})
	n := r.subscribe(Request{})
	r.write(50, 100)
	got, err := s.read(timeout(t), 100)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 0, 100)
	got, err = n.read(timeout(t), 50)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 50, 100)
}

func TestSubscription_liveOnce(t *testing.T) {
	r := start(t, 4000, 8000)
	r.write(0, 5)
	s := r.subscribe(Request{History: true})
	got, err := s.read(timeout(t), 5)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 0, 5)
	d, err := s.Next(timeout(t))
	if err != nil || !d.Live || len(d.Frames) != 0 {
		t.Fatal(d, err)
	}
	r.write(5, 6)
	d, err = s.Next(timeout(t))
	if err != nil || d.Live || len(d.Frames) != 1 {
		t.Fatal(d, err)
	}
}

func TestSubscription_fallsBehind(t *testing.T) {
	r := start(t, 4000, 8000)
	s := r.subscribe(Request{})
	r.write(0, 500)
	got, err := s.read(timeout(t), 500)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 0, 500)
	r.write(500, 510)
	got, err = s.read(timeout(t), 10)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 500, 510)
	if r.size > 8000 {
		t.Errorf("the memory log has %d bytes", r.size)
	}
}

func TestSubscription_until(t *testing.T) {
	r := start(t, 4000, 8000)
	until := time.Now().Add(200 * time.Millisecond)
	s := r.subscribe(Request{Until: until})
	if _, err := s.read(timeout(t), 1); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if late := time.Since(until); late < 0 || late > 5*time.Second {
		t.Errorf("it ended %v late", late)
	}
}

func TestSubscription_untilAndTheClock(t *testing.T) {
	r := start(t, 4000, 8000)
	var ahead atomic.Int64
	r.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	const day = 24 * time.Hour
	ahead.Store(int64(-day)) // it is yesterday again: a subscription that ends today continues
	later, sooner := r.subscribe(Request{Until: time.Now().Add(time.Hour)}), r.subscribe(Request{Until: time.Now()})
	r.write(0, 1)
	for _, s := range []*Subscription{later, sooner} {
		got, err := s.read(timeout(t), 1)
		if err != nil {
			t.Fatal(err)
		}
		want(t, got, 0, 1)
	}
	ahead.Store(int64(day)) // and now it is tomorrow
	for _, s := range []*Subscription{later, sooner} {
		if _, err := s.read(timeout(t), 1); !errors.Is(err, io.EOF) {
			t.Errorf("it does not end: %v", err)
		}
	}
}

func TestSubscription_filter(t *testing.T) {
	r := start(t, 1<<20, 1<<20)
	filters, err := filter.Parse([]string{"name=v7", "name=v9"})
	if err != nil {
		t.Fatal(err)
	}
	q := Everything()
	q.Filters = filters
	for _, history := range []bool{false, true} {
		s := r.subscribe(Request{Query: q, History: history})
		before := s.Cursor()
		r.write(0, 20)
		got, err := s.read(timeout(t), 2)
		if err != nil || strings.Join(got, " ") != "v7 v9" {
			t.Fatal(got, err)
		}
		if s.Cursor() == before {
			t.Error("the cursor stands still")
		}
		_ = os.Truncate(r.path, 0)
		_ = r.st.Look()
	}
}

func TestFeed_closeEndsWhatWaits(t *testing.T) {
	r := start(t, 4000, 8000)
	ended := make(chan error)
	const subscribers = 3
	for range subscribers {
		s := r.subscribe(Request{})
		go func() {
			_, err := s.Next(timeout(t))
			ended <- err
		}()
	}
	r.Close()
	for range subscribers {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	r.write(0, 1) // the store may still report events
	r.Close()
}

func TestSubscription_unlisted(t *testing.T) {
	r := start(t, 4000, 8000)
	r.subscribe(Request{Unlisted: true})
	listed := r.subscribe(Request{})
	if n := r.Subscribers(); n != 1 {
		t.Errorf("%d subscribers are counted", n)
	}
	listed.Close()
	if n := r.Subscribers(); n != 0 {
		t.Errorf("%d subscribers are counted when all have gone", n)
	}
}

func TestSubscription_lossWhileFollowing(t *testing.T) {
	r := start(t, 1<<20, 1<<20)
	r.write(0, 10)
	s := r.subscribe(Request{})
	r.write(10, 12)
	if err := os.Truncate(r.path, 0); err != nil {
		t.Fatal(err)
	}
	r.write(20, 22)
	got, err := s.read(timeout(t), 4)
	var expired *events.ExpiredError
	if !errors.As(err, &expired) {
		t.Fatal(got, err)
	}
	want(t, got, 10, 12)
	again := r.subscribe(Request{History: true, After: expired.Oldest})
	got, err = again.read(timeout(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, 20, 22)
}

// rotate imitates Podman's rotation of the log.
func rotate(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	half := b[len(b)/2:]
	half = half[strings.IndexByte(string(half), '\n')+1:]
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, half, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func TestSubscription_rotation(t *testing.T) {
	r := start(t, 20000, 64<<20)
	const total, subscribers = 5000, 8
	ctx := timeout(t)
	var wg sync.WaitGroup
	var slowest [subscribers]atomic.Int64 // how far each has come
	for i := range subscribers {
		wg.Add(1)
		s := r.subscribe(Request{History: i%2 == 0})
		go func() {
			defer wg.Done()
			next := 0
			for next < total {
				got, err := s.read(ctx, 1)
				if err != nil {
					t.Errorf("subscriber %d after event %d: %v", i, next, err)
					return
				}
				for _, name := range got {
					if name != fmt.Sprintf("v%d", next) {
						t.Errorf("subscriber %d: event %d is %s", i, next, name)
						return
					}
					next++
				}
				slowest[i].Store(int64(next))
				if rand.IntN(10) == 0 { // come back with the cursor
					cursor := s.Cursor()
					s.Close()
					again, err := r.Subscribe(ctx, Request{Query: Everything(), History: true, After: cursor, Format: r.names})
					if err != nil {
						t.Errorf("subscriber %d comes back after event %d: %v", i, next, err)
						return
					}
					s = again
				}
			}
			s.Close()
		}()
	}
	for n := range total {
		r.write(n, n+1)
		for i := range slowest { // who comes back has to find the place of its cursor
			for n-int(slowest[i].Load()) > 80 && !t.Failed() {
				time.Sleep(time.Millisecond)
			}
		}
		if n%200 == 199 {
			_ = r.st.Look()
			if err := rotate(r.path); err != nil {
				t.Fatal(err)
			}
			_ = r.st.Look()
		}
	}
	wg.Wait()
}
