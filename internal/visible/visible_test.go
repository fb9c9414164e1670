package visible

import (
	"encoding/json"
	"strings"
	"testing"
)

// hidden are characters that must not reach a terminal or end a line.
const hidden = "\n\r\t\x00\x1b\x7f\u0085\u009b\u00ad\u061c\u115f\u200b\u200e\u2028\u2029\u202e\u2066\ufe0f\ufeff\U000e0001\xff"

func TestText_everyHiddenCharacter(t *testing.T) {
	want := `a\n\r\t\x00\x1b\x7f\u0085\u009b\u00ad\u061c\u115f\u200b\u200e\u2028\u2029\u202e\u2066\ufe0f\ufeff\U000e0001\ufffdb`
	if got := Text("a" + hidden + "b"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if plain := "web-1 (läuft) 容器 😀"; Text(plain) != plain {
		t.Errorf("got %s", Text(plain))
	}
}

func TestJSON_keepsTheValue(t *testing.T) {
	value := strings.ToValidUTF8(hidden, "\ufffd") + "x😀"
	line, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	line = JSON(line)
	var got string
	if err := json.Unmarshal(line, &got); err != nil || got != value {
		t.Errorf("%s: got %q, %v", line, got, err)
	}
	if strings.ContainsFunc(string(line), isHidden) {
		t.Errorf("%s", line)
	}
}
