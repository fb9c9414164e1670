package line

import (
	"encoding/json"
	"fmt"
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

// TestBuild_bounds tries each bound of what an entry of the journal may cost from both
// sides.
func TestBuild_bounds(t *testing.T) {
	inspect := strings.Repeat(`{"Name":"value","List":["\"a\""],"Number":12345678}`, 16_000) // 800 kB
	labels := func(n int, form string) string {
		var b strings.Builder
		for i := n; i > 0; i-- { // not in the order of encoding/json
			fmt.Fprintf(&b, form, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	for name, c := range map[string]struct {
		inspect, labels, wrong string
	}{
		"inspect data":               {inspect: inspect},
		"half of it quotes":          {inspect: strings.Repeat(`"a`, 500_000)},
		"more than half quotes":      {inspect: strings.Repeat(`""a`, 300_000), wrong: errLong.Error()},
		"3 kB of control characters": {inspect: strings.Repeat("\x01", 3_000)},
		"4 kB of control characters": {inspect: strings.Repeat("\x01", 4_000), wrong: errLong.Error()},
		"no text":                    {inspect: strings.Repeat("\xc3", 1_000_000), wrong: errLong.Error()},
		"other letters":              {inspect: strings.Repeat("ü", 500_000)},
		"4096 labels":                {labels: labels(4096, `,"%d":"x"`)},
		"4097 labels":                {labels: labels(4097, `,"%d":"x"`), wrong: ErrLabels.Error()},
		"odd labels":                 {labels: labels(2000, `,"%d":"\ud83d\ude00"`)},
		"many odd labels":            {labels: labels(4000, `,"%d":"\ud83d\ude00"`), wrong: "not in Podman's form"},
		"a label twice, others too":  {labels: labels(4000, `,"\u0061":"%020d"`), wrong: "not in Podman's form"},
	} {
		var f Fields
		v := Values{Type: []byte("container"), Status: []byte("create"), Time: []byte("2026-11-27T12:00:00Z"), Inspect: []byte(c.inspect), Labels: []byte(c.labels)}
		b, err := Build(nil, &v, &f)
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: %v, want %q", name, err, c.wrong)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			var e events.Event
			if err := json.Unmarshal(b, &e); err != nil || e.Details.ContainerInspectData != c.inspect || len(e.Attributes) != strings.Count(c.labels, ":") {
				t.Errorf("%s: the line has %d bytes and %d labels (%v)", name, len(b), len(e.Attributes), err)
			}
		}
	}
}
