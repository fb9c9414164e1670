package dbus

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// openStream returns the lines of a stream, one by one.
func openStream(t testing.TB, c *godbus.Conn, filters []string, options dict) (*os.File, *bufio.Reader) {
	t.Helper()
	out := ask(t, c, "OpenStream", filters, options)
	file := os.NewFile(uintptr(out[0].(godbus.UnixFD)), "stream")
	t.Cleanup(func() { file.Close() })
	return file, bufio.NewReaderSize(file, 1<<20)
}

// line is a line of a stream.
type streamLine struct {
	Ready, Live, End bool
	Cursor           string
	Event            map[string]any
	Error            string
	Parameters       map[string]string
}

func nextLine(t testing.TB, in *bufio.Reader) streamLine {
	t.Helper()
	text, err := in.ReadBytes('\n')
	if err != nil {
		t.Fatalf("no line comes: %v", err)
	}
	var l streamLine
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return l
}

func atEnd(in *bufio.Reader) bool {
	_, err := in.ReadByte()
	return err == io.EOF
}

func TestStream_historyThenNewEvents(t *testing.T) {
	r := newRig(t, nil)
	cursors := r.write(eventRange(0, 3)...)
	_, in := openStream(t, r.client(), nil, dict{"after": v(cursors[0])})
	if l := nextLine(t, in); !l.Ready || l.Live || l.Cursor == "" {
		t.Errorf("first line: %v", l)
	}
	for n := 1; n < 3; n++ {
		if l := nextLine(t, in); l.Event["name"] != fmt.Sprint("c", n) || l.Cursor != cursors[n] {
			t.Errorf("event %d: %v", n, l)
		}
	}
	if l := nextLine(t, in); !l.Live {
		t.Errorf("then: %v", l)
	}
	r.write(event(3))
	if l := nextLine(t, in); l.Event["name"] != "c3" {
		t.Errorf("new event: %v", l)
	}
	r.stop()
	l := nextLine(t, in)
	if l.Error != "io.podman.events.ShuttingDown" || l.Parameters["cursor"] == "" || !atEnd(in) {
		t.Errorf("last line: %v", l)
	}
}

func TestStream_historyEnds(t *testing.T) {
	r := newRig(t, nil)
	const count = 50_000
	r.write(eventRange(0, count)...)
	_, in := openStream(t, r.client(), []string{"type=container"}, dict{"until": v("2030-01-01"), "since": v("2020-01-01")})
	nextLine(t, in)
	for n := range count {
		if l := nextLine(t, in); l.Event["name"] != fmt.Sprint("c", n) {
			t.Fatalf("line %d is %v", n, l)
		}
	}
	_ = in
	_, in = openStream(t, r.client(), nil, dict{"until": v("2026-11-23T12:00:02Z")})
	nextLine(t, in)
	nextLine(t, in)
	nextLine(t, in)
	if l := nextLine(t, in); !l.End || l.Cursor == "" || !atEnd(in) {
		t.Errorf("last line: %v", l)
	}
}

func TestStream_outlivesBus(t *testing.T) {
	ownDaemon(t)
	r := newRig(t, nil)
	_, in := openStream(t, r.client(), nil, dict{})
	if l := nextLine(t, in); !l.Ready || !l.Live {
		t.Errorf("first line: %v", l)
	}
	r.daemon.Stop()
	r.write(event(1))
	if l := nextLine(t, in); l.Event["name"] != "c1" {
		t.Errorf("new event: %v", l)
	}
}

func TestStream_readerCloses(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 20_000)...)
	r.warm()
	before := takeBaseline(t)
	c, err := godbus.Connect(r.daemon.Address())
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for n := range 20 {
		// Half of them wait for events, half of them for their reader.
		file, _ := openStream(t, c, nil, dict{"from_start": v(n%2 == 0)})
		files = append(files, file)
	}
	eventually(t, "the streams are open", func() bool { return r.feed.Subscribers() == 20 })
	for _, file := range files {
		file.Close()
	}
	began := time.Now()
	r.idle()
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	c.Close()
	before.returns()
}

// A line of a stream is what Varlink sends.
func TestStream_lineAsVarlink(t *testing.T) {
	code, uid := 0, uint32(os.Geteuid())
	e := events.Event{
		Type: "newtype", Status: "new-status", ID: "i", Name: `n"\`, Image: "<img>", Time: firstTime, ContainerExitCode: &code,
		HealthStatus: "healthy", HealthLog: "a\nb", HealthFailingStreak: 2, Error: "e", Network: "net", UID: &uid,
		Details: events.Details{PodID: "p", ContainerInspectData: "{}", Attributes: map[string]string{"a": "b"}},
	}
	r := newRig(t, nil)
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.log, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	_, in := openStream(t, r.client(), nil, dict{"from_start": v(true)})
	nextLine(t, in)
	got, err := in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var l streamLine
	if err := json.Unmarshal([]byte(got), &l); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"event":{"cursor":%q,"time":"2026-11-23T12:00:00.123456789Z","timestampUSec":1795435200123456,"type":"unknown",`+
		`"status":"unknown","rawType":"newtype","rawStatus":"new-status","id":"i","name":"n\"\\","image":"\u003cimg\u003e","podId":"p",`+
		`"network":"net","exitCode":0,"healthStatus":"healthy","healthLog":"a\nb","healthFailingStreak":2,"error":"e",`+
		`"containerInspectData":"{}","attributes":{"a":"b"},"uid":%d},"cursor":%q}`+"\n", l.Cursor, uid, l.Cursor)
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestStreams_bounded(t *testing.T) {
	r := newRig(t, nil)
	c := r.client()
	stranger := &dbuswire.Peer{}
	stranger.UID = 12345
	var all []func()
	for range limits.StreamsPerUID {
		give, err := r.server.take(&streams, stranger)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, give)
	}
	if _, err := r.server.take(&streams, stranger); err == nil || !strings.Contains(err.Error(), "your user") {
		t.Errorf("one too many: %v", err)
	}
	file, _ := openStream(t, c, nil, dict{})
	defer runtime.KeepAlive(file) // or it is closed at some time, and the stream ends
	for _, give := range all {
		give()
		give()
	}
	if n := r.server.core.Used(&streams); n != 1 {
		t.Errorf("%d streams are counted", n)
	}
}
