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

// TestCut_cells: what a terminal draws in two cells, or over the letter before.
func TestCut_cells(t *testing.T) {
	for _, test := range []struct {
		text string
		room int
		want string
	}{
		{"web", 3, "web"},
		{"web", 2, "we"},
		{"web", 0, ""},
		{"web", -5, ""},
		{"容器web", 7, "容器web"},
		{"容器web", 4, "容器"},
		{"容器web", 3, "容"},
		{"🐳x", 2, "🐳"},
		{"🐳x", 1, ""},
		{"été", 3, "été"},
		{"été", 1, "é"},
		{"über", 3, "übe"},
	} {
		got := Cut(test.text, test.room)
		if got != test.want || Width(got) > max(0, test.room) {
			t.Errorf("%q in %d cells: %q of %d, want %q", test.text, test.room, got, Width(got), test.want)
		}
	}
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{"web": 3, "läuft": 5, "容器": 4, "😀⚡": 4, "e\u0301": 1, "한글": 4, "\u1112\u1161\u11ab": 2} {
		if got := Width(text); got != want {
			t.Errorf("%q takes %d cells, want %d", text, got, want)
		}
	}
}
