package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/eventline"
)

const fullFrame = `{"parameters":{"event":{"cursor":"1.abc","time":"2026-11-23T12:44:42.260041044Z",` +
	`"timestampUSec":1795437882260041,"type":"container","status":"exec_died","rawType":"x","id":"deadbeef",` +
	`"name":"c\"1\u00e9","image":"localhost/scratch:1","podId":"p","network":"n","exitCode":0,"healthStatus":"healthy",` +
	`"healthLog":"l","healthFailingStreak":3,"error":"e","containerInspectData":"{}","attributes":{"a":"b","":"\n"},` +
	`"uid":1000,"host":"h","newer":{"a":[1,2.5e3,{"b":null}],"c":"]"}},"cursor":"1.abc"},"continues":true}`

func TestDecode_everyMember(t *testing.T) {
	zero, uid := 0, uint32(1000)
	want := events.Event{
		ContainerExitCode: &zero, ID: "deadbeef", Image: "localhost/scratch:1", Name: `c"1é`, Network: "n",
		Status: events.ExecDied, Time: time.Date(2026, 11, 23, 12, 44, 42, 260041044, time.UTC), Type: events.Container,
		HealthStatus: "healthy", HealthLog: "l", HealthFailingStreak: 3, Error: "e",
		Details: events.Details{ContainerInspectData: "{}", PodID: "p", Attributes: map[string]string{"a": "b", "": "\n"}},
		UID:     &uid, Host: "h", Cursor: "1.abc",
	}
	for name, frame := range map[string]string{
		"The way the service writes it":   fullFrame,
		"With nulls and white space":      strings.Replace(strings.ReplaceAll(fullFrame, ",", " ,\n"), `"rawType":"x"`, `"rawStatus":null`, 1),
		"With members in capital letters": strings.Replace(fullFrame, `"id"`, `"ID"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			var got subscribeReply
			continues, err := decode([]byte(frame), &got)
			if err != nil || !continues || !got.hasEvent || got.cursor != "1.abc" {
				t.Fatalf("decode: %v %+v, %v", continues, got, err)
			}
			var event events.Event
			if err := got.event.into(&event, new(copied)); err != nil || !reflect.DeepEqual(event, want) {
				t.Errorf("got  %+v, %v\nwant %+v", event, err, want)
			}
			sameLines(t, []sentEvent{got.event}, []events.Event{want})
		})
	}
}

// Decode keeps words of a newer libpod.
func TestDecode_newerWords(t *testing.T) {
	for _, test := range []struct{ name, words, wantType, wantStatus string }{
		{"Raw words", `"type":"unknown","rawType":"gadget","status":"unknown","rawStatus":"re-spin"`, "gadget", "re-spin"},
		{"Words with a dash", `"type":"image","status":"pull_error"`, "image", "pull-error"},
		{"Members of a newer enum", `"type":"gadget","status":"respin"`, "gadget", "respin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got subscribeReply
			_, err := decode([]byte(`{"parameters":{"event":{"cursor":"c","time":"2026-11-23T12:44:42Z",`+test.words+`},"cursor":"c"}}`), &got)
			var event events.Event
			if err == nil {
				err = got.event.into(&event, new(copied))
			}
			if err != nil || string(event.Type) != test.wantType || string(event.Status) != test.wantStatus {
				t.Errorf("got %q %q, %v", event.Type, event.Status, err)
			}
		})
	}
}

// Decode refuses what is no reply.
func TestDecode_refuses(t *testing.T) {
	for name, frame := range map[string]string{
		"Nothing":                   ``,
		"No JSON":                   `hello`,
		"Cut off":                   fullFrame[:len(fullFrame)/2],
		"Two values":                `{} {}`,
		"An array":                  `[]`,
		"A time that is not a time": strings.Replace(fullFrame, "2026-11-23T", "yesterday ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			var reply subscribeReply
			event := events.Event{Name: "as it was"}
			_, err := decode([]byte(frame), &reply)
			if err == nil {
				err = reply.event.into(&event, new(copied))
			}
			if err == nil || !reflect.DeepEqual(event, events.Event{Name: "as it was"}) {
				t.Errorf("the error is %v, and the event %+v", err, event)
			}
		})
	}
}

func TestDecode_fastPath(t *testing.T) {
	s := newScan(fullFrame)
	if new(envelope).scan(&s, new(subscribeReply)); !s.atEnd() {
		t.Errorf("scan gave up at %q", s.text[s.Pos:])
	}
	s = newScan(`{"parameters":{"events":[],"cursor":"c","complete":true}}`)
	if new(envelope).scan(&s, new(pageReply)); !s.atEnd() {
		t.Errorf("scan gave up on a page at %q", s.text[s.Pos:])
	}
}

// Events of a page may be long.
func TestDecode_pageOfLongEvents(t *testing.T) {
	page := strings.Builder{}
	page.WriteString(`{"parameters":{"cursor":"c","complete":true,"events":[ `)
	const many = 60
	for n := range many {
		if n > 0 {
			page.WriteString(" ,\t")
		}
		name := strings.Repeat("x", n*n*40%100_000) // up to 100 kB
		page.WriteString(`{"cursor":"c","time":"2026-11-23T12:44:42Z","type":"pod","status":"create","name":"` + name + `","attributes":{"a":"]}"}}`)
	}
	page.WriteString(" ]}}")
	var slow struct{ Parameters json.RawMessage }
	if err := json.Unmarshal([]byte(page.String()), &slow); err != nil {
		t.Fatal(err)
	}
	var want, got pageReply
	if err := want.unmarshal(slow.Parameters); err != nil {
		t.Fatal(err)
	}
	s := newScan(page.String())
	if new(envelope).scan(&s, &got); !s.atEnd() {
		t.Fatalf("scan gave up at %d of %d", s.Pos, len(s.text))
	}
	if len(got.events) != many || !reflect.DeepEqual(mustRead(t, &got), mustRead(t, &want)) {
		t.Errorf("scan reads %d events, or others", len(got.events))
	}
}

// taken is a reply with its events as users get them.
type taken struct {
	ready, live, hasEvent, complete bool
	cursor                          string
	events                          []events.Event
}

func read(reply payload) (got taken, err error) {
	switch r := reply.(type) {
	case *subscribeReply:
		got = taken{ready: r.ready, live: r.live, hasEvent: r.hasEvent, cursor: r.cursor}
	case *pageReply:
		got = taken{complete: r.complete, cursor: r.cursor}
	}
	var c copied
	sent := sentEvents(reply)
	for i := range sent {
		e := usedEvent()
		if err := sent[i].into(&e, &c); err != nil {
			return got, err
		}
		got.events = append(got.events, e)
	}
	return got, nil
}

// usedEvent returns an event with every field set, of which nothing may be left in the
// one that is read into it.
func usedEvent() (e events.Event) {
	n, uid := 1, uint32(2)
	e = events.Event{
		ContainerExitCode: &n, ID: "a", Image: "b", Name: "c", Network: "d", Status: "e", Time: time.Unix(1, 1), Type: "f",
		HealthStatus: "g", HealthLog: "h", HealthFailingStreak: 3, Error: "i",
		Details: events.Details{ContainerInspectData: "j", PodID: "k", Attributes: map[string]string{"l": "m"}},
		Extra:   map[string]json.RawMessage{"n": nil}, UID: &uid, Host: "o", Cursor: "p",
	}
	return e
}

func sentEvents(reply payload) []sentEvent {
	switch r := reply.(type) {
	case *subscribeReply:
		if r.hasEvent {
			return []sentEvent{r.event}
		}
	case *pageReply:
		return r.events
	}
	return nil
}

// sameLines holds the lines of events as they stand in a reply against those of the events
// that were read.
func sameLines(t *testing.T, sent []sentEvent, read []events.Event) {
	t.Helper()
	for i := range sent {
		as := Line{JSON: true}
		got, err := sent[i].appendLine([]byte("before "), as, eventline.NewClock(time.UTC))
		if err != nil {
			t.Fatal(err)
		}
		want := as.append([]byte("before "), &read[i])
		if !bytes.Equal(got, want) && !reflect.DeepEqual(members(t, got), members(t, want)) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		for _, as := range []Line{{}, {Truncate: true}} {
			got, err := sent[i].appendLine(nil, as, eventline.NewClock(time.UTC))
			if want := as.append(nil, &read[i]); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got  %s, %v\nwant %s", got, err, want)
			}
		}
	}
}

// members returns those of a line, by their names.
func members(t *testing.T, line []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(bytes.TrimPrefix(line, []byte("before ")), &m); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return m
}

func mustRead(t *testing.T, reply payload) taken {
	t.Helper()
	got, err := read(reply)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// What Podman does not write, such as labels in another order, is read first.
func TestAppendLine_oddLabels(t *testing.T) {
	for labels, want := range map[string]string{
		`{"b":"1","a":"2"}`:           `{"a":"2","b":"1"}`,
		`{"a":"1","a":"2"}`:           `{"a":"2"}`,
		`{"":"1","":"2"}`:             `{"":"2"}`,
		`{"a":null}`:                  `{"a":""}`,
		`{"a\u0062":"1","aa":"2"}`:    `{"aa":"2","ab":"1"}`,
		`{}`:                          `{}`,
		`{"":"\u202e","a":"<\u003c"}`: `{"":"\u202e","a":"<\u003c"}`,
	} {
		var reply pageReply
		frame := `{"parameters":{"events":[{"cursor":"c","time":"2026-11-23T12:44:42Z","type":"pod","status":"create","attributes":` + labels + `}]}}`
		if _, err := decode([]byte(frame), &reply); err != nil {
			t.Fatal(err)
		}
		line, err := reply.events[0].appendLine(nil, Line{JSON: true}, eventline.NewClock(time.UTC))
		if err != nil || !strings.Contains(string(line), `"Attributes":`+want+`,`) {
			t.Errorf("%s: %s, %v", labels, line, err)
		}
		var event events.Event
		if err := reply.events[0].into(&event, new(copied)); err != nil {
			t.Fatal(err)
		}
		sameLines(t, reply.events, []events.Event{event})
	}
}

// FuzzDecode holds the fast way against encoding/json.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(fullFrame))
	f.Add([]byte(`{"parameters":{"events":[{"cursor":"c","time":"2026-11-23T12:44:42Z","type":"pod","status":"create"}],"cursor":"c","complete":true}}`))
	f.Add([]byte(`{"error":"io.podman.events.CursorExpired","parameters":{"oldest":"c"}}`))
	f.Add([]byte(`{"parameters":{"ready":true,"live":null,"cursor":"\u0063"},"continues":true,"continues":false}`))
	f.Add([]byte(`{"parameters":{"event":{"attributes":{"a":"b"},"attributes":{"c":null},"uid":1e3}},"x":[[[]]]}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, kind := range []func() payload{
			func() payload { return new(subscribeReply) },
			func() payload { return new(pageReply) },
		} {
			fast := kind()
			var env envelope
			s := newScan(string(frame))
			env.scan(&s, fast)
			if !s.atEnd() || !json.Valid(frame) || strings.ToValidUTF8(string(frame), "") != string(frame) {
				continue
			}
			var slow struct {
				Parameters json.RawMessage `json:"parameters"`
				Continues  bool            `json:"continues"`
				Error      string          `json:"error"`
			}
			if err := json.Unmarshal(frame, &slow); err != nil {
				t.Fatalf("encoding/json refuses what scan takes: %v", err)
			}
			if slow.Continues != env.continues || slow.Error != env.errorName {
				t.Fatalf("scan reads %+v, encoding/json %+v", env, slow)
			}
			if slow.Error != "" {
				continue
			}
			if len(slow.Parameters) == 0 {
				slow.Parameters = json.RawMessage("{}")
			}
			got, fastErr := read(fast)
			slower := kind()
			slowErr := slower.unmarshal(slow.Parameters)
			if (fastErr == nil) != (slowErr == nil) {
				t.Fatalf("scan says %v, encoding/json %v", fastErr, slowErr)
			}
			if want, _ := read(slower); fastErr == nil && !reflect.DeepEqual(got, want) {
				t.Fatalf("scan reads  %+v\nencoding/json %+v", got, want)
			}
			if fastErr == nil {
				sameLines(t, sentEvents(fast), got.events)
			}
		}
	})
}

// Frames are whole however they arrive.
func TestFrames_anyPieces(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	text := "one\x00\x00" + long + "\x00last\x00cut off"
	for name, reader := range map[string]io.Reader{
		"At once":               strings.NewReader(text),
		"With an error at once": iotest.DataErrReader(strings.NewReader(text)),
		"By halves":             iotest.HalfReader(strings.NewReader(text)),
		"With timeouts":         iotest.TimeoutReader(strings.NewReader(text)),
	} {
		t.Run(name, func(t *testing.T) {
			f := frames{r: reader}
			for _, want := range []string{"one", "", long, "last"} {
				frame, err := f.next()
				if errors.Is(err, iotest.ErrTimeout) {
					frame, err = f.next()
				}
				if err != nil || string(frame) != want {
					t.Fatalf("got %d bytes, %v, want %d", len(frame), err, len(want))
				}
			}
			if _, err := f.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the error within a frame is %v", err)
			}
		})
	}
}

// Frame that is too large is refused.
func TestFrames_tooLarge(t *testing.T) {
	f := frames{r: zeros{}}
	if _, err := f.next(); !errors.Is(err, errFrameSize) {
		t.Errorf("the error is %v", err)
	}
}

// zeros is a peer that never ends its message.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func BenchmarkDecode(b *testing.B) {
	frame := []byte(`{"parameters":{"event":{"cursor":"18a2b3c4d5e6f708.0123456789abcdef.0123456789abcdef.1",` +
		`"time":"2026-11-23T12:44:42.509384812Z","timestampUSec":1795437882509384,"type":"container","status":"create",` +
		`"id":"f1f9685b8877e930ab573e4a8f1a0ab79c892a062eddf14bc8c3cc68b3951c5a","name":"c1","image":"localhost/scratch:1",` +
		`"attributes":{"a":"b","q":"x=y"},"uid":0},"cursor":"18a2b3c4d5e6f708.0123456789abcdef.0123456789abcdef.1"},"continues":true}`)
	for name, run := range map[string]func() error{
		"scan": func() error {
			var reply subscribeReply
			if _, err := decode(frame, &reply); err != nil {
				return err
			}
			return reply.event.into(new(events.Event), new(copied))
		},
		"encoding-json": func() error {
			var slow struct {
				Parameters json.RawMessage `json:"parameters"`
			}
			if err := json.Unmarshal(frame, &slow); err != nil {
				return err
			}
			return new(subscribeReply).unmarshal(slow.Parameters)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for range b.N {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Each member of the enums becomes libpod's word, also where the two differ.
func TestLibpodWord_all(t *testing.T) {
	for _, want := range events.Types() {
		if got := libpodWord(want.Varlink(), "", wireTypes); got != want {
			t.Errorf("%s becomes %s", want.Varlink(), got)
		}
	}
	for _, want := range events.Statuses() {
		if got := libpodWord(want.Varlink(), "", wireStatuses); got != want {
			t.Errorf("%s becomes %s", want.Varlink(), got)
		}
	}
	if got := libpodWord(unknownWord, "newer-word", wireTypes); got != "newer-word" {
		t.Errorf("a newer word becomes %s", got)
	}
}
