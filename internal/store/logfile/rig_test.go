package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/store"
)

// watched is a store with a sink that remembers what it got.
type watched struct {
	*Store
	t    *testing.T
	mu   sync.Mutex
	more *sync.Cond
	got  []store.Record
	lost int
}

func open(t *testing.T, path string, o Options) *watched {
	t.Helper()
	o.Path = path
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{Store: s, t: t}
	w.more = sync.NewCond(&w.mu)
	if _, _, err := s.Follow(w.take); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return w
}

func (w *watched) take(e store.Emission) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, e.Records...)
	if e.Lost {
		w.lost++
	}
	w.more.Broadcast()
}

// names waits until n events were delivered and returns their names.
func (w *watched) names(n int) []string {
	w.t.Helper()
	timer := time.AfterFunc(10*time.Second, func() { w.mu.Lock(); defer w.mu.Unlock(); w.more.Broadcast() })
	defer timer.Stop()
	deadline := time.Now().Add(10 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.got) < n && time.Now().Before(deadline) {
		w.more.Wait()
	}
	if len(w.got) < n {
		w.t.Fatalf("%d events were delivered, want %d", len(w.got), n)
	}
	var names []string
	for i := range w.got {
		names = append(names, w.got[i].Event().Name)
	}
	return names
}

func (w *watched) losses() int { w.mu.Lock(); defer w.mu.Unlock(); return w.lost }

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// event returns the nth event of a series.
func event(n int) events.Event {
	return events.Event{
		Type: events.Volume, Status: events.Create, Name: fmt.Sprintf("v%d", n),
		Time: epoch.Add(time.Duration(n) * 1234567 * time.Nanosecond),
	}
}

// lineOf returns the line of the nth event.
func lineOf(n int) string {
	e := event(n)
	s, err := e.ToJSONString()
	if err != nil {
		panic(err)
	}
	return s + "\n"
}

func linesOf(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		b.WriteString(lineOf(n))
	}
	return b.String()
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func namesOf(from, to int) []string {
	var names []string
	for n := from; n < to; n++ {
		names = append(names, fmt.Sprintf("v%d", n))
	}
	return names
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("%s:\n got %.300v\nwant %.300v", what, got, want)
	}
}

// history reads everything after the cursor.
func (w *watched) history(after string) (names, cursors []string, err error) {
	w.t.Helper()
	r, err := w.Read(context.Background(), store.Start{After: after}, store.Everything())
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	var b store.Batch
	for {
		err := r.Next(context.Background(), &b)
		if errors.Is(err, io.EOF) {
			return names, cursors, nil
		}
		if err != nil {
			return names, cursors, err
		}
		for i := range b.Records {
			names = append(names, b.Records[i].Event().Name)
			cursors = append(cursors, string(b.Records[i].Cursor))
		}
	}
}

// rotate does to the log what Podman's rotation does: the newer half is kept.
func rotate(t *testing.T, path string, markers int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	half := b[len(b)/2:]
	half = half[strings.IndexByte(string(half), '\n')+1:]
	marker := func(word string) string {
		e := events.Event{Type: events.System, Status: events.Rotate, Name: path, Time: time.Now()}
		e.Attributes = map[string]string{"io.podman.event.rotate": word}
		s, _ := e.ToJSONString()
		return s + "\n"
	}
	out := string(half)
	if markers > 1 {
		out = marker("begin") + out
	}
	if markers > 0 {
		out += marker("end")
	}
	tmp := filepath.Join(filepath.Dir(path), "tmp.rotate")
	if err := os.WriteFile(tmp, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}
