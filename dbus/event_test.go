package dbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
)

// recordsOf returns what the store makes of lines of a log.
func recordsOf(t testing.TB, lines ...string) []feed.Record {
	t.Helper()
	path := filepath.Join(t.TempDir(), "events.log")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := logfile.Open(logfile.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	f := feed.New(st)
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	reading, err := f.Read(context.Background(), "", feed.Everything())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reading.Close)
	var records []feed.Record
	for {
		var batch feed.Batch // a new one each time: the records are kept
		if err := reading.Next(context.Background(), &batch); errors.Is(err, io.EOF) {
			t.Logf("%d lines were skipped: %s", f.Status().Skipped, f.Status().LastSkipped)
			return records
		} else if err != nil {
			t.Fatal(err)
		}
		records = append(records, batch.Records...)
	}
}

// decoded is an event as a client gets it.
type decoded struct {
	Type, Status, ID, Name string
	Time                   uint64
	Details                dict
}

// decodeSignal reads a message as godbus does.
func decodeSignal(t testing.TB, message []byte) decoded {
	t.Helper()
	m, err := godbus.DecodeMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatalf("no client can decode it: %v", err)
	}
	var d decoded
	if err := godbus.Store(m.Body, &d.Type, &d.Status, &d.ID, &d.Name, &d.Time, &d.Details); err != nil {
		t.Fatal(err)
	}
	return d
}

// throughFrame encodes a record as a subscriber gets it.
func throughFrame(t testing.TB, r *feed.Record, sequence uint64) []byte {
	t.Helper()
	// Frames lie after each other at whatever place.
	frames := appendFrame([]byte("xyz"), r)[3:]
	body, detailsAt, rest := nextFrame(frames)
	if len(rest) != 0 {
		t.Fatalf("%d bytes after the frame", len(rest))
	}
	return newSignal(subscriptionPath+"/t", ":1.7").appendNumbered(nil, 5, body, detailsAt, sequence)
}

// Every field of an event reaches the client.
func TestEvent_everyField(t *testing.T) {
	records := recordsOf(t, `{"ContainerExitCode":137,"ID":"abc","Image":"img","Name":"n\u0061me \"q\"","network":"net","Status":"died",`+
		`"Time":"2026-11-23T12:00:00.123456789+01:00","Type":"container","health_status":"healthy","health_log":"line\nline",`+
		`"health_failing_streak":3,"error":"bad","ContainerInspectData":"{}","PodID":"pod","Attributes":{"a":"b","\u00e4":"\ud83d\ude00"}}`)
	got := decodeSignal(t, throughFrame(t, &records[0], 42))
	delete(got.Details, "uid")
	want := decoded{"container", "died", "abc", `name "q"`, 1795431600123456, dict{
		"cursor": v(string(records[0].Cursor)), "image": v("img"), "exit_code": v(int32(137)), "pod_id": v("pod"),
		"network": v("net"), "health_status": v("healthy"), "health_log": v("line\nline"), "health_failing_streak": v("3"),
		"error": v("bad"), "container_inspect_data": v("{}"), "attributes": v(map[string]string{"a": "b", "ä": "😀"}),
		"sequence": v(uint64(42)),
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Texts that no bus takes are made safe.
func TestEvent_textNoBusTakes(t *testing.T) {
	lines := []string{
		`{"Name":"a\u0000b","Status":"x\u0000y","Time":"1969-01-01T00:00:00Z","Type":"new\u0000type","Attributes":{"k\u0000":"v\u0000"}}`,
		"{\"Name\":\"bad\xff\xfeutf\",\"Status\":\"start\",\"Time\":\"0002-01-01T00:00:00Z\",\"Type\":\"pod\",\"Attributes\":{\"k\xc0\":\"\xed\xa0\x80\"}}",
		`{"Name":"lone \ud800 surrogate","Status":"start","Time":"9999-01-01T00:00:00Z","Type":"pod","Attributes":{"\udfff":"\ud83d\u0041"}}`,
	}
	records := recordsOf(t, lines...)
	if len(records) != len(lines) {
		t.Fatalf("%d records", len(records))
	}
	for i := range records {
		got := decodeSignal(t, throughFrame(t, &records[i], 1))
		texts := []string{got.Type, got.Status, got.ID, got.Name}
		for key, value := range got.Details["attributes"].Value().(map[string]string) {
			texts = append(texts, key, value)
		}
		for _, text := range texts {
			if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
				t.Errorf("line %d gives the text %q", i, text)
			}
		}
		if !strings.Contains(got.Name, "\ufffd") {
			t.Errorf("line %d gives the name %q", i, got.Name)
		}
	}
	if got := decodeSignal(t, throughFrame(t, &records[2], 1)); got.Time != 253370764800000000 {
		t.Errorf("the year 9999 is %d", got.Time)
	}
}

// An oversized event is cut with a mark.
func TestEvent_oversized(t *testing.T) {
	long := strings.Repeat("ä", 1<<16)
	var labels []string
	for n := range 50 {
		labels = append(labels, fmt.Sprintf(`"%s%d":"%s"`, strings.Repeat("k", n*30), n, strings.Repeat("v", n*100)))
	}
	labels = append(labels, `"`+long[:1<<14]+`":"x"`)
	records := recordsOf(t, `{"ID":"`+long+`","Image":"`+long+`","Name":"`+strings.Repeat(`\u00e4`, 1<<16)+`","network":"`+long+
		`","Status":"`+long+`","Time":"2026-11-23T12:00:00Z","Type":"`+long+`","health_status":"`+long+`","health_log":"`+long+
		`","error":"`+long+`","ContainerInspectData":"`+long+`","PodID":"`+long+`","Attributes":{`+strings.Join(labels, ",")+`}}`)
	message := throughFrame(t, &records[0], 1)
	if len(message) > 64<<10 {
		t.Errorf("the signal takes %d bytes", len(message))
	}
	got := decodeSignal(t, message)
	cut := got.Details["truncated"].Value().([]string)
	for _, key := range []string{"type", "status", "id", "name", "image", "health_log", "attributes"} {
		if !strings.Contains(strings.Join(cut, " "), key) {
			t.Errorf("%s is not among what was cut: %v", key, cut)
		}
	}
	for _, text := range []string{got.Name, got.ID} {
		if len(text) < cutText-4 || len(text) > cutText || strings.Trim(text, "ä") != "" {
			t.Errorf("a text was cut to %d bytes", len(text))
		}
	}
	if len(got.Details["attributes"].Value().(map[string]string)) < 5 {
		t.Error("too few labels are left")
	}
	if message := throughFrame(t, &recordsOf(t, `{"Name":"`+strings.Repeat("x", 50<<10)+
		`","Status":"start","Time":"2026-11-23T12:00:00Z","Type":"pod"}`)[0], 1); len(message) < 50<<10 {
		t.Error("an event that fits was cut")
	}
	if _, marked := got.Details["truncated"]; !marked || len(message) < limits.DBusEvent/4 {
		t.Errorf("cut to %d bytes", len(message))
	}
}

// A code that does not fit into 32 bits with a sign keeps its low ones, and is listed
// as truncated.
func TestEvent_exitCode(t *testing.T) {
	for code, cut := range map[int]bool{0: false, -1: false, 255: false, 1<<31 - 1: false, 3221225786: true} {
		r := newRig(t, nil)
		e := event(0)
		e.Status, e.ContainerExitCode = events.Exited, &code
		r.write(e)
		out := ask(t, r.client(), "GetLastEvent", []string{})
		details := out[0].([]any)[5].(dict)
		_, isCut := details["truncated"]
		if got := details["exit_code"].Value(); got != int32(code) || isCut != cut {
			t.Errorf("%d is %v, cut %v", code, got, isCut)
		}
		r.end()
	}
}
