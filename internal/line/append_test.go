package line

import (
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/jsonscan"
)

// FuzzAppend holds the fields of a line that was made of an event against those
// that are found in it.
func FuzzAppend(f *testing.F) {
	now := time.Date(2026, 11, 23, 12, 46, 15, 752682276, time.UTC).UnixNano()
	f.Add(int64(0), true, "id", "image", "name", "net", "died", "container", "healthy", "ok", int64(2), "e", "", "pod", "k", "v", 1, now, 0)
	f.Add(int64(-5), true, "", "", "ü😀", "", "raw", "word", "", "<log>", int64(0), "\\", "\u2028", "\x00", "\"", "&", 2, now, 3600)
	f.Add(int64(1<<40), false, "\xff", "", "", "", "create", "volume", "", "", int64(1<<40), "", "{}", "", "", "", 0, now+1, -12345)
	f.Fuzz(func(t *testing.T, code int64, hasCode bool, id, image, name, network, status, kind, health, log string, streak int64,
		errorText, inspect, pod, key, value string, labels int, ns int64, zone int,
	) {
		e := events.Event{
			ID: id, Image: image, Name: name, Network: network, Status: events.Status(status), Type: events.Type(kind),
			HealthStatus: health, HealthLog: log, HealthFailingStreak: int(streak), Error: errorText,
			Time:    time.Unix(0, ns).In(time.FixedZone("", zone)),
			Details: events.Details{ContainerInspectData: inspect, PodID: pod},
		}
		if hasCode {
			e.ContainerExitCode = new(int(code))
		}
		if labels > 0 {
			e.Attributes = map[string]string{}
		}
		if labels > 1 {
			e.Attributes[key], e.Attributes[key+"2"] = value, key
		}
		want, wantErr := e.AppendJSON(nil)
		var made, scanned Fields
		const front = "in front"
		b, known, err := Append([]byte(front), &e, &made)
		if (err == nil) != (wantErr == nil) || string(b) != front+string(want) {
			t.Fatalf("the line is %q, %v, want %q, %v", b, err, want, wantErr)
		}
		if !known {
			return
		}
		if !Scan(want, &scanned) {
			s := scanner{Scanner: jsonscan.Scanner{Text: want}, f: &scanned, normal: true}
			if !s.scan() {
				t.Fatalf("%q is no line", want)
			}
		}
		if made != scanned {
			t.Errorf("%q:\nmade    %+v\nscanned %+v", want, made, scanned)
		}
	})
}

// TestAppend_podmanLines makes sure that usual events need no second look.
func TestAppend_podmanLines(t *testing.T) {
	e := events.Event{
		Type: events.Container, Status: events.Exited, Time: time.Now(), ContainerExitCode: new(137), ID: "b1e1", Name: "müller",
		Details: events.Details{Attributes: map[string]string{"a": "b", "c": ""}},
	}
	var made, scanned Fields
	b, known, err := Append(nil, &e, &made)
	if err != nil || !known || !Scan(b, &scanned) || made != scanned {
		t.Errorf("%s: %v, %v\nmade    %+v\nscanned %+v", b, known, err, made, scanned)
	}
}
