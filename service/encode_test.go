package service

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// record reads a line as a store does. ok is false if it is no event.
func record(text []byte, cursor string, uid int64, host string) (r *store.Record, ok bool) {
	r = &store.Record{Line: text, Cursor: []byte(cursor), UID: uid, Host: host}
	if !line.Scan(r.Line, &r.Fields) {
		normal, err := line.Normalize(text, &r.Fields)
		if err != nil {
			return nil, false
		}
		r.Line = normal
	}
	return r, true
}

// wantEvent returns what the contract says the event of a record is.
func wantEvent(r *store.Record) iopodmanevents.Event {
	e := r.Event()
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	number := func(n int) *int64 {
		i := int64(n)
		return &i
	}
	w := iopodmanevents.Event{
		Cursor: string(r.Cursor), Time: e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"), TimestampUSec: e.Time.UnixMicro(),
		Type: iopodmanevents.EventType(e.Type.Varlink()), Status: iopodmanevents.EventStatus(e.Status.Varlink()),
		Id: optional(e.ID), Name: optional(e.Name), Image: optional(e.Image), PodId: optional(e.PodID), Network: optional(e.Network),
		HealthStatus: optional(e.HealthStatus), HealthLog: optional(e.HealthLog), Error: optional(e.Error),
		ContainerInspectData: optional(e.ContainerInspectData), Host: optional(e.Host),
	}
	if w.Type == "unknown" {
		w.RawType = optional(string(e.Type))
	}
	if w.Status == "unknown" {
		w.RawStatus = optional(string(e.Status))
	}
	if e.ContainerExitCode != nil {
		w.ExitCode = number(*e.ContainerExitCode)
	}
	if e.HealthFailingStreak != 0 {
		w.HealthFailingStreak = number(e.HealthFailingStreak)
	}
	if len(e.Attributes) > 0 {
		w.Attributes = &e.Attributes
	}
	if e.UID != nil {
		w.Uid = number(int(*e.UID))
	}
	return w
}

// checkFrame holds the frame of a record against the contract.
func checkFrame(t *testing.T, r *store.Record) {
	t.Helper()
	frame := appendEventFrame([]byte("x"), r)
	body, ok := bytes.CutSuffix(frame[1:], []byte{0})
	if frame[0] != 'x' || !ok || bytes.IndexByte(body, 0) >= 0 {
		t.Fatalf("frame %q of line %q is not one frame after what was there", frame, r.Line)
	}
	var got struct {
		Parameters struct {
			Event  *iopodmanevents.Event `json:"event"`
			Cursor string                `json:"cursor"`
		} `json:"parameters"`
		Continues bool `json:"continues"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil || decoder.More() {
		t.Fatalf("frame %q of line %q: %v", body, r.Line, err)
	}
	want := wantEvent(r)
	if !got.Continues || got.Parameters.Cursor != want.Cursor || !reflect.DeepEqual(*got.Parameters.Event, want) {
		t.Fatalf("line %q has the frame\n%s, want\n%s", r.Line, body, mustJSON(want))
	}
	// What encoding/json takes for an object in any case is one for systemd
	// only if no member is null or comes twice.
	var parts struct{ Parameters json.RawMessage }
	if err := json.Unmarshal(body, &parts); err != nil {
		t.Fatal(err)
	}
	if field := checkReply()(parts.Parameters); field != "" {
		t.Fatalf("field %q of frame %s does not fit the contract", field, body)
	}
}

func mustJSON(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}

// checkReply holds parameters against those of a reply with an event.
var checkReply = sync.OnceValue(func() func([]byte) string {
	contract, err := os.ReadFile("../io.podman.events.varlink")
	if err != nil {
		panic(err)
	}
	text := string(contract)
	types := text[strings.Index(text, "\ntype EventType") : strings.Index(text, "\nmethod GetEvents(")+1]
	check, err := varlinkwire.Check("interface a.b\n"+types+"\nmethod M(event: Event, cursor: string) -> ()\n", "M")
	if err != nil {
		panic(err)
	}
	return check
})

func TestEncode_realLines(t *testing.T) {
	paths, err := filepath.Glob("../events/testdata/*.log")
	if err != nil || len(paths) == 0 {
		t.Fatalf("cannot find the sample logs: %v", err)
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(file); s.Scan(); {
			if r, ok := record(bytes.Clone(s.Bytes()), "cursor", 1000, ""); ok {
				checkFrame(t, r)
			} else {
				t.Errorf("%s: no event: %s", path, s.Text())
			}
		}
		file.Close()
	}
}

func TestEncode_unusualEvents(t *testing.T) {
	for name, test := range map[string]struct{ line, want string }{
		"Unknown words": {
			`{"Type":"pl\u00e4net","Status":"auto-destroy","Time":"2026-01-02T03:04:05.6+01:00"}`,
			`"time":"2026-01-02T02:04:05.600000000Z","timestampUSec":1767319445600000,"type":"unknown","status":"unknown","rawType":"plänet","rawStatus":"auto-destroy"`,
		},
		"Words with hyphens": {
			`{"Type":"container","Status":"auto-update","Time":"2026-01-02T03:04:05Z","ContainerExitCode":0}`,
			`"time":"2026-01-02T03:04:05.000000000Z","timestampUSec":1767323045000000,"type":"container","status":"auto_update","exitCode":0`,
		},
		"Before the epoch, rounded down": {
			`{"Type":"pod","Status":"stop","Time":"1969-12-31T23:59:59.999999999Z"}`,
			`"time":"1969-12-31T23:59:59.999999999Z","timestampUSec":-1,"type":"pod","status":"stop"`,
		},
		"A year that nanoseconds cannot express": {
			`{"Type":"pod","Status":"stop","Time":"9999-12-31T23:59:59Z"}`,
			`"time":"9999-12-31T23:59:59.000000000Z","timestampUSec":253402300799000000,"type":"pod","status":"stop"`,
		},
		"What is empty is absent": {
			`{"ID":"","Image":"","Name":"","Status":"stop","Time":"2026-01-02T03:04:05Z","Type":"pod","health_failing_streak":0,"Attributes":{ }}`,
			`"time":"2026-01-02T03:04:05.000000000Z","timestampUSec":1767323045000000,"type":"pod","status":"stop"`,
		},
		"Attributes that are null": {
			`{"Status":"stop","Time":"2026-01-02T03:04:05Z","Type":"pod","Attributes":null,"network":"n"}`,
			`"time":"2026-01-02T03:04:05.000000000Z","timestampUSec":1767323045000000,"type":"pod","status":"stop","network":"n"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, ok := record([]byte(test.line), `c"\`, 0, "hö<st")
			if !ok {
				t.Fatal("no event")
			}
			checkFrame(t, r)
			var got, want any
			if err := json.Unmarshal(eventjson.AppendEvent(nil, r), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(`{"cursor":"c\"\\","uid":0,"host":"hö<st",`+test.want+`}`), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("event is\n%v, want\n%v", got, want)
			}
		})
	}
}

func TestEncode_allocations(t *testing.T) {
	text := []byte(`{"ID":"abc","Image":"i","Name":"n","Status":"died","Time":"2026-11-23T12:45:39.641833879Z","Type":"container","ContainerExitCode":3,"Attributes":{"a":"b\n"}}`)
	r, ok := record(text, "cursor", 0, "")
	if !ok {
		t.Fatal("no event")
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = appendEventFrame(buf[:0], r) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

func TestEncode_times(t *testing.T) {
	for _, when := range []time.Time{
		firstTime, time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, -1), time.Unix(1<<33, 999_999_999), firstTime.In(time.FixedZone("", -5*3600)),
	} {
		if got, want := string(eventjson.AppendTime(nil, when)), when.UTC().Format("2006-01-02T15:04:05.000000000Z"); got != want {
			t.Errorf("time is %s, want %s", got, want)
		}
	}
}

func FuzzEventFrame(f *testing.F) {
	paths, _ := filepath.Glob("../events/testdata/*.log")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for i, l := range bytes.Split(text, []byte("\n")) {
			if i%10 == 0 {
				f.Add(l, "cursor", int64(i), "")
			}
		}
	}
	f.Add([]byte(`{"type":"x","Status":"\u0000","Time":"0001-01-01T00:00:00Z","ID":"é\xff","Attributes":{"a":null,"a":"\ud800"}}`), "\"\\", int64(-1), "\xff")
	f.Fuzz(func(t *testing.T, text []byte, cursor string, uid int64, host string) {
		for _, c := range []byte(cursor) {
			if c < ' ' || c > '~' {
				return // no store makes such a cursor
			}
		}
		if uid > 1<<32-1 || uid < -1 || strings.ToValidUTF8(host, "") != host || strings.ContainsRune(host, 0) {
			return // no store makes such a record
		}
		if r, ok := record(text, cursor, uid, host); ok {
			checkFrame(t, r)
		}
	})
}

func BenchmarkEventFrame(b *testing.B) {
	e := event(1)
	e.Attributes = map[string]string{"io.buildah.version": "1.28.2", "maintainer": "somebody <a@b>"}
	text, err := e.AppendJSON(nil)
	if err != nil {
		b.Fatal(err)
	}
	r, _ := record(text, strings.Repeat("c", 27), 0, "")
	buf := appendEventFrame(nil, r)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = appendEventFrame(buf[:0], r)
	}
}
