package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

func subscribe(t *testing.T, c *Client, o SubscribeOptions) *Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// take returns the names of the next n events.
func take(t *testing.T, s *Subscription, n int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []events.Event
	for range n {
		e, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("after %q: %v", names(got), err)
		}
		if e.Cursor != s.Cursor() {
			t.Fatalf("the cursor of the event is %q, that of the subscription %q", e.Cursor, s.Cursor())
		}
		got = append(got, e)
	}
	return names(got)
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// Subscription starts where it is asked to.
func TestSubscription_starts(t *testing.T) {
	f := newFake(t)
	f.add("a", "b")
	for _, test := range []struct {
		name    string
		options SubscribeOptions
		want    string
	}{
		{"Nothing given: from now on", SubscribeOptions{}, "c"},
		{"FromStart: from the oldest event on", SubscribeOptions{FromStart: true}, "a b c"},
		{"Since: past events first", SubscribeOptions{Since: "1h"}, "a b c"},
		{"After: from the cursor on", SubscribeOptions{After: "c1"}, "b c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.add("a", "b")
			s := subscribe(t, f.client(), test.options)
			f.add("c")
			check(t, "events", take(t, s, len(strings.Fields(test.want))), test.want)
		})
	}
}

// A subscription resumes after its last event when the service was killed.
func TestSubscription_serviceKilled(t *testing.T) {
	f := newFake(t)
	var lost, resumed int
	s := subscribe(t, f.client(), SubscribeOptions{
		OnLost: func(cause error, _ time.Duration) {
			var connection *ConnectionError
			if !errors.As(cause, &connection) {
				t.Errorf("lost because of %v, want a *ConnectionError", cause)
			}
			lost++
		},
		OnResumed: func(int) { resumed++ },
	})
	f.add("a", "b", "c")
	check(t, "before", take(t, s, 2), "a b")
	f.kill()
	f.add("d")
	f.start()
	check(t, "after", take(t, s, 2), "c d")
	if lost == 0 || resumed != 1 {
		t.Errorf("%d losses and %d resumptions were reported, want at least one and one", lost, resumed)
	}
}

// Subscription that saw nothing resumes where it began.
func TestSubscription_resumesWithoutEvents(t *testing.T) {
	f := newFake(t)
	f.add("old")
	s := subscribe(t, f.client(), SubscribeOptions{})
	f.kill()
	f.add("missed without a cursor")
	f.start()
	check(t, "events", take(t, s, 1), "missed without a cursor")
}

// Subscription resumes when the service shuts down in order.
func TestSubscription_serviceShutsDown(t *testing.T) {
	f := newFake(t)
	var causes []string
	s := subscribe(t, f.client(), SubscribeOptions{
		OnLost: func(cause error, _ time.Duration) { causes = append(causes, cause.Error()) },
	})
	f.add("a")
	check(t, "before", take(t, s, 1), "a")
	f.shutDown()
	f.add("b")
	time.AfterFunc(100*time.Millisecond, f.start)
	check(t, "after", take(t, s, 1), "b")
	if len(causes) < 2 || causes[0] != ErrShuttingDown.Error() || !strings.HasPrefix(causes[1], "cannot connect to ") {
		t.Errorf("the causes were %q", causes)
	}
}

// No event is missed or repeated through many kills.
func TestSubscription_manyKills(t *testing.T) {
	f := newFake(t)
	s := subscribe(t, f.client(), SubscribeOptions{})
	const kills, perKill = 30, 20
	var done sync.WaitGroup
	done.Go(func() {
		for i := range kills {
			for j := range perKill {
				f.add(fmt.Sprint(i*perKill + j))
				if rand.N(10) == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			f.kill()
			f.start()
		}
	})
	for i := range kills * perKill {
		if got := take(t, s, 1); got != fmt.Sprint(i) {
			t.Fatalf("got event %s, want %d", got, i)
		}
	}
	done.Wait()
}

// Expired cursor is an error that stays.
func TestSubscription_expiredCursorStays(t *testing.T) {
	f := newFake(t)
	s := subscribe(t, f.client(), SubscribeOptions{})
	f.add("a")
	check(t, "before", take(t, s, 1), "a")
	f.kill()
	f.add("b", "c", "d")
	f.forget(1)
	f.start()
	for range 2 {
		_, err := s.Next(t.Context())
		var expired *events.ExpiredError
		if !errors.As(err, &expired) || expired.Oldest != "c3" {
			t.Fatalf("the error is %v, want an *events.ExpiredError with the oldest cursor", err)
		}
	}
	check(t, "cursor", s.Cursor(), "c1")
}

// With OnExpired oldest, a subscription goes on from the oldest event.
func TestSubscription_expiredCursorOldest(t *testing.T) {
	f := newFake(t)
	f.add("a", "b", "c", "d")
	f.forget(2)
	asked := 0
	s := subscribe(t, f.client(), SubscribeOptions{
		After:     "c1",
		OnExpired: func(*events.ExpiredError) bool { asked++; return true },
	})
	check(t, "events", take(t, s, 2), "c d")
	if asked != 1 {
		t.Errorf("the user was asked %d times", asked)
	}
}

// The oldest event is that of the time of the call, not the one that the error
// named: a log that is rotated quickly has lost that one, too.
func TestExpired_oldestIsThatOfTheCall(t *testing.T) {
	f := newFake(t)
	f.add("a", "b", "c", "d", "e", "f", "g", "h")
	f.answer = func(net.Conn, string, json.RawMessage) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.oldest++ // with each call
		return false
	}
	asked := 0
	s := subscribe(t, f.client(), SubscribeOptions{
		After:     "c0",
		OnExpired: func(*events.ExpiredError) bool { asked++; return true },
	})
	check(t, "events", take(t, s, 6), "c d e f g h")
	if asked != 1 {
		t.Errorf("the user was asked %d times", asked)
	}
}

// Next ends with its context and goes on later.
func TestNext_contextEnds(t *testing.T) {
	f := newFake(t)
	s := subscribe(t, f.client(), SubscribeOptions{})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the error is %v", err)
		}
		cancel()
	}
	f.add("a")
	check(t, "events", take(t, s, 1), "a")
	if calls := f.called(); len(calls) != 1 {
		t.Errorf("the client called %q, want one call", calls)
	}
}

// Next ends with its context during an outage.
func TestNext_contextEndsDuringOutage(t *testing.T) {
	f := newFake(t)
	s := subscribe(t, f.client(), SubscribeOptions{})
	f.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	f.start()
	f.add("a")
	check(t, "events", take(t, s, 1), "a")
}

func TestClose_endsNext(t *testing.T) {
	f := newFake(t)
	for _, outage := range []bool{false, true} {
		s := subscribe(t, f.client(), SubscribeOptions{})
		if outage {
			f.kill()
		}
		time.AfterFunc(20*time.Millisecond, func() { s.Close() })
		if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("with an outage (%v) the error is %v", outage, err)
		}
	}
}

// Subscription ends with EOF once until has passed.
func TestSubscription_untilPassed(t *testing.T) {
	f := newFake(t)
	f.add("a", "b")
	s := subscribe(t, f.client(), SubscribeOptions{Until: "now"})
	var got []events.Event
	for e, err := range s.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	check(t, "events", names(got), "a b")
	if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("after the end the error is %v", err)
	}
	if !s.Live() {
		t.Error("the mark of the end of the past was not seen")
	}
}

// Times are resolved once so that a resumption asks for the same.
func TestSubscription_timesResolvedOnce(t *testing.T) {
	f := newFake(t)
	s := subscribe(t, f.client(), SubscribeOptions{Since: "10m", Until: ""})
	f.kill()
	f.start()
	f.add("a")
	take(t, s, 1)
	calls := f.called()
	var first, second subscribeParameters
	json.Unmarshal([]byte(strings.TrimPrefix(calls[0], "Subscribe ")), &first)
	json.Unmarshal([]byte(strings.TrimPrefix(calls[1], "Subscribe ")), &second)
	if _, err := time.Parse(time.RFC3339Nano, first.Since); err != nil || first.Since != second.Since || second.After != "c0" {
		t.Errorf("the calls were %q", calls)
	}
}

func TestSubscription_marksMoveCursor(t *testing.T) {
	f := newFake(t)
	f.answer = func(conn net.Conn, method string, parameters json.RawMessage) bool {
		if !strings.Contains(string(parameters), `"after"`) {
			send(conn, map[string]any{"ready": true, "cursor": "c1"}, true)
			send(conn, map[string]any{"live": true, "cursor": "c2"}, true)
			send(conn, map[string]any{"cursor": "c7"}, true)
			conn.Close()
			return true
		}
		send(conn, map[string]any{"ready": true, "cursor": "c7"}, true)
		send(conn, map[string]any{"cursor": "c8"}, false)
		return true
	}
	var marks []string
	s := subscribe(t, f.client(), SubscribeOptions{OnMark: func(cursor string) { marks = append(marks, cursor) }})
	if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	check(t, "marks", strings.Join(marks, " "), "c1 c2 c7 c7 c8")
	if calls := f.called(); len(calls) != 2 || !strings.Contains(calls[1], `"after":"c7"`) {
		t.Errorf("the calls were %q", calls)
	}
}

func TestSubscription_replyWithoutCursor(t *testing.T) {
	f := newFake(t)
	f.answer = func(conn net.Conn, _ string, _ json.RawMessage) bool {
		send(conn, map[string]any{"ready": true}, true)
		return true
	}
	if _, err := f.client().Subscribe(t.Context(), SubscribeOptions{}); err == nil || !strings.Contains(err.Error(), "cursor") {
		t.Errorf("the error is %v", err)
	}
}

// Silence beyond three heartbeats is a lost connection.
func TestSubscription_silence(t *testing.T) {
	f := newFake(t)
	lost := make(chan error, 1)
	s := subscribe(t, f.client(), SubscribeOptions{
		Heartbeat: time.Second,
		OnLost: func(cause error, _ time.Duration) {
			select {
			case lost <- cause:
			default:
			}
		},
	})
	if calls := f.called(); !strings.Contains(calls[0], `"heartbeatSec":1`) {
		t.Errorf("the call was %q", calls)
	}
	s.patience = 50 * time.Millisecond
	time.AfterFunc(200*time.Millisecond, func() { f.add("a") })
	check(t, "events", take(t, s, 1), "a")
	if err := <-lost; !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("the cause is %v", err)
	}
}

func TestSubscription_leavesNothing(t *testing.T) {
	f := newFake(t)
	c := f.client()
	base := runtime.NumGoroutine()
	for range 20 {
		s := subscribe(t, c, SubscribeOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, _ = s.Next(ctx)
		cancel()
		s.Close()
	}
	f.kill()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > base; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left, there were %d", runtime.NumGoroutine(), base)
		}
	}
	f.start()
}
