package service

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/test/testkit"
)

func writeFrame(name, more string) string {
	return fmt.Sprintf(`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"volume","status":"create","name":%q}}%s}`, name, more)
}

func TestPipeline_ownAnswers(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.send(strings.Join([]string{
		writeFrame("a", ""),
		writeFrame("silent", `,"oneway":true`),
		`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"volume"}}}`,
		writeFrame("b", `,"more":true`),
		`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"container","status":"died","exitCode":4294967296}}}`,
		`{"method":"io.podman.events.GetLastEvent","parameters":{}}`,
		writeFrame("c", ""),
		`{"method":"io.podman.events.WriteEvent","upgrade":true}`,
		writeFrame("d", ""),
	}, "\x00"))
	cursors := map[string]string{}
	written := func(name string) {
		got := c.receive()
		if got.Error != "" || got.cursor() == "" || len(got.Parameters) != 1 || got.Continues {
			t.Errorf("writing %s is answered with %s, want a cursor", name, got)
		}
		cursors[name] = got.cursor()
	}
	written("a")
	c.wantError(errInvalidParameter, `{"parameter":"status"}`)
	written("b")
	if got := c.receive(); got.Error != "io.podman.events.InvalidEvent" || got.Parameters["field"] != "exitCode" {
		t.Errorf("the bad exit code is answered with %s", got)
	}
	if got := c.receive(); got.name() != "b" {
		t.Errorf("GetLastEvent between the calls is answered with %s, want b", got)
	}
	written("c")
	c.wantError(errInvalidParameter, `{"parameter":"upgrade"}`)
	written("d")
	page := c.ask("GetEvents", `{}`)
	wantPage(t, page, []string{"a", "silent", "b", "c", "d"}, true, false)
	for _, e := range page.Parameters["events"].([]any) {
		event := e.(map[string]any)
		if name := event["name"].(string); name != "silent" && event["cursor"] != cursors[name] {
			t.Errorf("%s was answered with the cursor %q, and has %q", name, cursors[name], event["cursor"])
		}
	}
}

func TestPipeline_anyNumberOfCalls(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	const calls = 700
	var frames, names []string
	for i := range calls {
		name := fmt.Sprintf("v%d-%s", i, strings.Repeat("x", i%700))
		frames, names = append(frames, writeFrame(name, "")), append(names, name)
	}
	// A long one, which does not fit in any buffer, is in between.
	long := strings.Repeat("y", 3*limits.BusyReadBuffer)
	frames, names = slices.Insert(frames, calls/2, writeFrame(long, "")), slices.Insert(names, calls/2, long)
	go func() { _, _ = c.conn.Write([]byte(strings.Join(frames, "\x00") + "\x00")) }()
	for _, name := range names {
		if got := c.receive(); got.Error != "" || got.cursor() == "" {
			t.Fatalf("writing %.20s is answered with %.300s", name, got)
		}
	}
	log, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(log), "\n"), "\n")
	if len(lines) != len(names) {
		t.Fatalf("the log has %d lines, want %d", len(lines), len(names))
	}
	for i, line := range lines {
		if !strings.Contains(line, `"Name":"`+names[i]+`"`) {
			t.Fatalf("line %d is %.100s, want that of %.20s", i, line, names[i])
		}
	}
	c.alive()
}

func TestPipeline_failingStore(t *testing.T) {
	r := newRig(t)
	if err := os.Mkdir(r.log, 0o700); err != nil {
		t.Fatal(err)
	}
	c := r.dial()
	c.send(writeFrame("a", "") + "\x00" + writeFrame("b", ""))
	for range 2 {
		if got := c.receive(); got.Error != "io.podman.events.BackendUnavailable" {
			t.Errorf("the reply is %s, want BackendUnavailable", got)
		}
	}
	c.alive()
}

// picky is a store that does not store the events of one name.
type picky struct{ store.Store }

func (s picky) Append(ctx context.Context, batch []events.Event) []store.Written {
	results := make([]store.Written, len(batch))
	for i := range batch {
		if batch[i].Name == "refused" {
			results[i].Err = &events.UnavailableError{Backend: events.Journald, Reason: "it is not stored"}
		} else {
			results[i] = s.Store.Append(ctx, batch[i:i+1])[0]
		}
	}
	return results
}

func TestWriteEvent_oneOfSeveralNotStored(t *testing.T) {
	dir := testkit.ShortDir(t)
	st, err := logfile.Open(logfile.Options{Path: filepath.Join(dir, "events.log")})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, logged: new(testkit.Buffer), store: picky{st}}
	r.start(nil, slog.New(slog.DiscardHandler))
	r.wantRefused("refused", "")
}

// An event without a form in the log is refused by itself.
func TestWriteEvent_oneOfSeveralInvalid(t *testing.T) {
	newRig(t).wantRefused("refused", `,"time":"2026-11-23T16:15:21+24:00"`)
}

// wantRefused sends calls of WriteEvent at once, of which those of one name, with
// some more fields, are to be refused.
func (r *rig) wantRefused(refused, fields string) {
	r.t.Helper()
	c := r.dial()
	names := []string{"a", refused, "b", refused, "c"}
	var frames []string
	for _, name := range names {
		more := ""
		if name == refused {
			more = fields
		}
		frames = append(frames, fmt.Sprintf(`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"volume",`+
			`"status":"create","name":%q%s}}}`, name, more))
	}
	c.send(strings.Join(frames, "\x00"))
	for _, name := range names {
		got := c.receive()
		if stored := got.Error == "" && got.cursor() != ""; stored != (name != refused) {
			r.t.Errorf("writing %s is answered with %s", name, got)
		}
		if name == refused && fields != "" && got.Parameters["field"] != "time" {
			r.t.Errorf("writing %s is answered with %s", name, got)
		}
	}
}

func TestPipeline_manyClients(t *testing.T) {
	const clients, rounds, calls = 8, 20, 10
	r := newRig(t)
	var all sync.WaitGroup
	for n := range clients {
		c := r.dial()
		all.Go(func() {
			for round := range rounds {
				var frames []string
				for i := range calls {
					name := fmt.Sprintf("%d-%d-%d", n, round, i)
					frames = append(frames, fmt.Sprintf(`{"method":"io.podman.events.WriteEvent","parameters":{"event":{"type":"volume",`+
						`"status":"create","name":%q,"attributes":{"of":%q,"again\t":%q}}}}`, name, name, name))
				}
				c.send(strings.Join(frames, "\x00"))
				for range frames {
					if got := c.receive(); got.Error != "" {
						t.Errorf("reply is %s", got)
					}
				}
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(r.log)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		var e events.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if seen[e.Name] || !reflect.DeepEqual(e.Attributes, map[string]string{"of": e.Name, "again\t": e.Name}) {
			t.Fatalf("the event is %s", line)
		}
		seen[e.Name] = true
	}
	if len(seen) != clients*rounds*calls {
		t.Errorf("there are %d events, want %d", len(seen), clients*rounds*calls)
	}
}
