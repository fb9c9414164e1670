package line

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/jsonscan"
)

func FuzzBuild(f *testing.F) {
	f.Add("0", "2", "id", "image", "name", "net", "died", "2026-11-23T12:46:15.752682276Z", "container", "healthy", "<ok>", `{"a":"b"}`)
	f.Add("x", "-1", "", "\x00", "ü\xff", `"\`, "raw", "2026-11-23T12:46:15+01:00", "raw", "", "\n", `{"a":"b","a":"c\u0000"}`)
	f.Add("", "", "", "", "", "", "create", "2000-01-01T00:00:00.10Z", "pod", "", "", "")
	f.Add("", "", "", "", "", "", "create", "2000-01-01T00:00:00.000+02:00", "pod", "", "", "")
	f.Add("", "", "", "", "", "", "create", "2000-01-01T00:00:00+00:00", "pod", "", "", "")
	f.Add("", "", "", "", "", "", "create", "2000-01-01T00:00:00.5-00:00", "pod", "", "", "")
	f.Add("", "", "", "", "", "", "create", "2000-01-01T00:00:10+05:30", "pod", "", "", "")
	f.Add("", "", "", "", "", "", "create", "9999-11-23T12:46:15Z", "pod", "", "", "null")
	f.Fuzz(func(t *testing.T, code, streak, id, image, name, network, status, stamp, kind, health, log, labels string) {
		v := Values{
			ExitCode: []byte(code), HealthStreak: []byte(streak), ID: []byte(id), Image: []byte(image), Name: []byte(name),
			Network: []byte(network), Status: []byte(status), Time: []byte(stamp), Type: []byte(kind),
			HealthStatus: []byte(health), HealthLog: []byte(log), Labels: []byte(labels),
		}
		var built, scanned Fields
		const front = "in front"
		b, err := Build([]byte(front), &v, &built)
		if string(b[:len(front)]) != front {
			t.Fatalf("what was in front became %q", b)
		}
		b = b[len(front):]
		if err != nil {
			if len(b) > 0 {
				t.Errorf("%v, and %q", err, b)
			}
			return
		}
		s := scanner{Scanner: jsonscan.Scanner{Text: b}, f: &scanned, normal: true}
		if !s.scan() {
			t.Fatalf("%q is no line", b)
		}
		if built != scanned {
			t.Errorf("%q:\nbuilt   %+v\nscanned %+v", b, built, scanned)
		}
		var e events.Event
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		again, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		// One by one: two that are no text may be some together.
		isText := true
		for _, value := range []string{code, streak, id, image, name, network, status, kind, health, log} {
			isText = isText && utf8.ValidString(value) && !strings.Contains(value, "\x00")
		}
		if labels == "" && isText && string(again) != string(b) {
			t.Errorf("built    %s\nPodman's %s", b, again)
		}
	})
}
