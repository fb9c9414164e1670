package eventer_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/events/eventer"
)

func newEventer(t *testing.T, o events.EventerOptions) events.Eventer {
	t.Helper()
	e, err := eventer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.(interface{ Close() error }).Close() })
	return e
}

func write(t *testing.T, e events.Eventer, names ...string) {
	t.Helper()
	for _, name := range names {
		event := events.NewEvent(events.Create)
		event.Type, event.Name = events.Volume, name
		if err := e.Write(event); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, e events.Eventer, o events.ReadOptions, started func()) (names string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o.EventChannel = make(chan events.ReadResult)
	done := make(chan error, 1)
	go func() { done <- e.Read(ctx, o) }()
	if started != nil {
		started()
	}
	var all []string
	for r := range o.EventChannel {
		all = append(all, r.Event.Name)
		if r.Event.Name == "last" {
			cancel()
		}
	}
	return strings.Join(all, " "), <-done
}

func TestEventer_readsWhatWasWritten(t *testing.T) {
	e := newEventer(t, events.EventerOptions{EventerType: "file", LogFilePath: filepath.Join(t.TempDir(), "events.log")})
	write(t, e, "a", "b", "c")
	for options, want := range map[*events.ReadOptions]string{
		{FromStart: true}: "a b c",
		{FromStart: true, Filters: []string{"name=b"}}: "b",
		{FromStart: true, Until: "2020-01-01"}:         "",
	} {
		if got, err := read(t, e, *options, nil); err != nil || got != want {
			t.Errorf("%+v: %q, %v", options, got, err)
		}
	}
	got, err := read(t, e, events.ReadOptions{FromStart: true, Stream: true}, func() { write(t, e, "d", "last") })
	if got != "a b c d last" || !errors.Is(err, context.Canceled) {
		t.Errorf("stream: %q, %v", got, err)
	}
}

// A stream ends when until has passed.
func TestEventer_untilPassed(t *testing.T) {
	e := newEventer(t, events.EventerOptions{EventerType: "file", LogFilePath: filepath.Join(t.TempDir(), "events.log")})
	write(t, e, "a")
	got, err := read(t, e, events.ReadOptions{FromStart: true, Stream: true, Until: "200ms"}, nil)
	if got != "a" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestEventer_badOptions(t *testing.T) {
	e := newEventer(t, events.EventerOptions{EventerType: "file", LogFilePath: filepath.Join(t.TempDir(), "events.log")})
	var filter *events.FilterError
	if _, err := read(t, e, events.ReadOptions{Filters: []string{"stats=x"}}, nil); !errors.As(err, &filter) {
		t.Error(err)
	}
	var when *events.TimeError
	if _, err := read(t, e, events.ReadOptions{Since: "soonish"}, nil); !errors.As(err, &when) {
		t.Error(err)
	}
}

// The null store takes events and says that it has none.
func TestEventer_null(t *testing.T) {
	e := newEventer(t, events.EventerOptions{EventerType: "none"})
	write(t, e, "a")
	var unavailable *events.UnavailableError
	if _, err := read(t, e, events.ReadOptions{FromStart: true}, nil); !errors.As(err, &unavailable) || unavailable.Backend != events.Null {
		t.Error(err)
	}
}

func ExampleNew() {
	e, err := eventer.New(events.EventerOptions{EventerType: "none"})
	fmt.Println(e, err)
	// Output: none <nil>
}
