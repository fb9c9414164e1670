package events

import (
	"encoding/json"
	"strings"
	"testing"
)

// hidden are characters that must not reach a terminal or end a line.
const hidden = "\n\r\t\x00\x1b\x7f\u0085\u009b\u00ad\u061c\u115f\u200b\u200e\u2028\u2029\u202e\u2066\ufe0f\ufeff\U000e0001\xff"

func TestVisible_everyHiddenCharacter(t *testing.T) {
	want := `a\n\r\t\x00\x1b\x7f\u0085\u009b\u00ad\u061c\u115f\u200b\u200e\u2028\u2029\u202e\u2066\ufe0f\ufeff\U000e0001\ufffdb`
	if got := Visible("a" + hidden + "b"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if plain := "web-1 (läuft) 容器 😀"; Visible(plain) != plain {
		t.Errorf("got %s", Visible(plain))
	}
}

// The line of an event is one line, whichever field holds what.
func TestToHumanReadable_isOneLine(t *testing.T) {
	for _, kind := range append(Types(), "new\ntype") {
		e := Event{
			Type: kind, Status: Status("x" + hidden), ID: hidden, Name: hidden, Image: hidden, Network: hidden, HealthStatus: hidden,
			HealthLog: hidden, Error: hidden, Details: Details{PodID: hidden, Attributes: map[string]string{hidden: hidden}},
		}
		for _, truncate := range []bool{false, true} {
			if line := e.ToHumanReadable(truncate); strings.ContainsFunc(line, isHidden) {
				t.Errorf("%s: %q", kind, line)
			}
		}
	}
}

func TestVisibleJSON_keepsTheValue(t *testing.T) {
	value := strings.ToValidUTF8(hidden, "\ufffd") + "x😀"
	line, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	line = VisibleJSON(line)
	var got string
	if err := json.Unmarshal(line, &got); err != nil || got != value {
		t.Errorf("%s: got %q, %v", line, got, err)
	}
	if strings.ContainsFunc(string(line), isHidden) {
		t.Errorf("%s", line)
	}
}
