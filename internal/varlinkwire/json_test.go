package varlinkwire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/limits"
)

func TestString_escapes(t *testing.T) {
	for _, test := range []struct {
		text string
		end  int
	}{
		{`""`, 2},
		{`"a"b"`, 3},
		{`"\""`, 4},
		{`"\\""`, 4},
		{`"\\\""`, 6},
		{`"a\"b\"c",`, 9},
		{`"a`, 2},
		{`"\`, 2},
		{`"\"`, 3},
		{`"`, 1},
		{`"\n\n"`, 6},
	} {
		if got := endOfString([]byte(test.text), 0); got != test.end {
			t.Errorf("the string at the start of %s ends at %d, want %d", test.text, got, test.end)
		}
	}
}

func TestJSON_accepted(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	for text, want := range map[string]bool{
		`{}`:                                   true,
		`{"a":[1,-2,"b",true]}`:                true,
		" {\n\"a\" : [ ] , \"b\" : null }\r\n": true,
		`{"a":1.5e3}`:                          true,
		`{"a":"\ud83d\ude00"}`:                 true,
		`{"a":"\u0000"}`:                       true,
		deep(limits.Depth):                     true,
		deep(limits.Depth + 2):                 false,
		``:                                     false,
		`{`:                                    false,
		`{"a"}`:                                false,
		`{"a":1,}`:                             false,
		`{"a":01}`:                             false,
		`{"a":tru}`:                            false,
		`{"a":[1}`:                             false,
		`{"a":1]`:                              false,
		`{"a":1} {}`:                           false,
		"{\"a\":\"\xff\"}":                     false,
		"{\"a\":\"\n\"}":                       false,
	} {
		if err := checkJSON([]byte(text)); (err == nil) != want {
			t.Errorf("%.80q: %v", text, err)
		}
	}
}

// The few names that a set keeps without memory of its own, and those beyond them.
func TestNameSet_add(t *testing.T) {
	var s nameSet
	for n := range 40 {
		name := fmt.Appendf(nil, "name%d", n)
		if s.has(string(name)) || !s.add(name) || s.add(name) || !s.has(string(name)) {
			t.Errorf("name %d is not added once", n)
		}
	}
}
