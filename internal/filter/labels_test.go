package filter_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/filter"
)

// A label is found in a line as in a map.
func TestLabels_lineAsMap(t *testing.T) {
	for _, test := range []struct{ name, object, key, want string }{
		{"the only one", `{"k":"v"}`, "k", "v"},
		{"the first", `{"k":"v","l":"w"}`, "k", "v"},
		{"the last", `{"k":"v","l":"w"}`, "l", "w"},
		{"one whose name is another's value", `{"a":"b","b":"c"}`, "b", "c"},
		{"an empty one", `{"k":""}`, "k", ""},
		{"one with an empty name", `{"a":"b","":"v"}`, "", "v"},
		{"a value with a quote in it", `{"a":"x\"k\":\"no","k":"v\"w"}`, "k", `v"w`},
		{"a value that ends with a backslash", `{"a":"\\","k":"\\\\"}`, "k", `\\`},
		{"a value with braces, commas and colons", `{"a":"{},:","k":"}"}`, "k", "}"},
		{"escapes in the value", `{"k":"\u003c\ud83d\ude00\n\u2028"}`, "k", "<😀\n\u2028"},
		{"escapes in the name", `{"\u003ck\t":"v"}`, "<k\t", "v"},
		{"letters beyond ASCII", `{"größe":"süß"}`, "größe", "süß"},
		{"white space everywhere", " {\t\"k\" \r\n : \"v\" , \"l\":\"w\" } ", "l", "w"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inLine := filter.Labels{JSON: []byte(test.object)}
			inMap := filter.Labels{}
			if err := json.Unmarshal([]byte(test.object), &inMap.Map); err != nil {
				t.Fatal(err)
			}
			for form, labels := range map[string]filter.Labels{"line": inLine, "map": inMap} {
				if got, ok := labels.Lookup(test.key); !ok || got != test.want {
					t.Errorf("in a %s, %s has %q: %q, %t, want %q", form, test.object, test.key, got, ok, test.want)
				}
				for _, key := range []string{"v", "nope", test.key + " ", strings.ToUpper(test.key) + "K"} {
					if got, ok := labels.Lookup(key); ok || got != "" {
						t.Errorf("in a %s, %s has %q: %q", form, test.object, key, got)
					}
				}
			}
		})
	}
}

// Without labels, no label is found.
func TestLabels_none(t *testing.T) {
	for name, labels := range map[string]filter.Labels{
		"the zero value":           {},
		"an empty map":             {Map: map[string]string{}},
		"an empty map over a line": {Map: map[string]string{}, JSON: []byte(`{"k":"v"}`)},
		"null":                     {JSON: []byte(`null`)},
		"an empty object":          {JSON: []byte(`{}`)},
		"an object cut off":        {JSON: []byte(`{"k":"v`)},
		"a name without a value":   {JSON: []byte(`{"k"`)},
	} {
		for _, key := range []string{"k", "", "v"} {
			if value, ok := labels.Lookup(key); ok || value != "" {
				t.Errorf("%s has %q: %q", name, key, value)
			}
		}
	}
}

// FuzzLabels looks a name up in an object and in the map that encoding/json
// makes of it.
func FuzzLabels(f *testing.F) {
	for _, object := range []string{
		`null`, `{}`, `{"k":"v"}`, `{"a":"k","k":"v"}`, ` { "a" : "x\"k" , "k" : "\\" } `, `{"\u006b":"\ud800"}`, `{"k":"v","k":"w"}`,
		`{"":"","\\":"\""}`, "{\"k\xff\":\"\xfe\"}", `{"k":null}`,
	} {
		f.Add([]byte(object), "k")
	}
	f.Fuzz(func(t *testing.T, object []byte, key string) {
		members := make(map[string]string)
		if json.Unmarshal(object, &members) != nil || !plainObject(object, len(members)) {
			return
		}
		labels := filter.Labels{JSON: object}
		for _, name := range append(slices.Collect(maps.Keys(members)), key, key+"x") {
			want, wantOK := members[name]
			if got, ok := labels.Lookup(name); ok != wantOK || got != want {
				t.Errorf("%s has %q: %q, %t, want %q, %t", object, name, got, ok, want, wantOK)
			}
		}
	})
}

// plainObject reports whether the object is of the form that Labels takes: valid
// UTF-8, each name once, and strings only.
func plainObject(object []byte, names int) bool {
	if !bytes.Equal(bytes.ToValidUTF8(object, nil), object) {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	strs := 0
	for {
		token, err := decoder.Token()
		if err != nil {
			return strs == 2*names
		}
		switch token.(type) {
		case string:
			strs++
		case nil:
			if decoder.InputOffset() < int64(len(bytes.TrimSpace(object))) {
				return false
			}
		}
	}
}
