package jsonscan

import (
	"encoding/json"
	"testing"
)

// What String takes is a string for encoding/json, too, and nothing of it changes there.
func FuzzString(f *testing.F) {
	for _, text := range []string{`"a"`, `"a\u003cb\n\\" `, `"ü😀"`, "\"\xff\"", `"\ud83d\ude00"`, `"\u0000"`, "\"\x1f\"", `"12345678\"9`, `"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Scanner{Text: text}
		span, escaped, ok := s.String()
		if !ok {
			return
		}
		var want string
		if err := json.Unmarshal(text[:s.Pos], &want); err != nil {
			t.Fatalf("%q: %v", text[:s.Pos], err)
		}
		if got := string(text[span.Start:span.End]); !escaped && got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestNumber_asJSON(t *testing.T) {
	for text, want := range map[string]struct {
		digits int
		ok     bool
	}{"0": {1, true}, "-12,": {2, true}, "007": {3, false}, "-": {0, false}, "x": {0, false}, "": {0, false}} {
		s := Scanner{Text: []byte(text)}
		if _, digits, ok := s.Number(); digits != want.digits || ok != want.ok {
			t.Errorf("%q: %d digits, %v", text, digits, ok)
		}
	}
}

func TestName_inOrderOnly(t *testing.T) {
	texts := []string{`"ID":`, `"Image":`, `"Name":`, `"ContainerExitCode":`}
	names := NewNames(texts...)
	for text, want := range map[string][2]int{ // with what from is: the place
		`"ID":"1"}`: {0, 0}, `"Name":"a"`: {1, 2}, `"ID": "1"`: {1, -1}, `"Id":"1"}`: {0, -1}, `"Image"`: {0, -1}, `"`: {0, -1},
		`"ContainerExitCode":`: {0, 3}, `"ContainerExitCode"`: {0, -1}, `"ContainerExitcode":1`: {0, -1}, `"ID":1}`: {0, -1},
	} {
		s := Scanner{Text: []byte(text)}
		if got := s.Name(names, want[0]); got != want[1] || got >= 0 && s.Pos != len(texts[got]) {
			t.Errorf("%s from %d: %d, then at %d", text, want[0], got, s.Pos)
		}
	}
}

// A value that is skipped is one for encoding/json, and ends where it ends there.
func FuzzValue(f *testing.F) {
	for _, text := range []string{
		`1`, `-0.5e+3`, `1.`, `1e`, `01`, `-`, `.5`, `[]`, `[1,]`, `{"a":[1,2.5e3,{"b":null}],"c":"]"}`, `{"a" : true , "b":false}`, `{"a"}`, `[[[[]]]]`, `nul`, `"a`,
	} {
		f.Add([]byte(text))
	}
	const depth = 3
	f.Fuzz(func(t *testing.T, text []byte) {
		s := Scanner{Text: text}
		if !s.Value(depth) {
			return
		}
		if value := text[:s.Pos]; !json.Valid(value) {
			t.Errorf("%q is skipped", value)
		}
	})
}

func TestValue_bounds(t *testing.T) {
	for text, want := range map[string]bool{
		`[[[]]]`: true, `[[[[]]]]`: false, `{"a":{"b":[1]}}`: true, `{"a":{"b":[[1]]}}`: false, `2.5e3`: true, `1.`: false, `1e+`: false,
		`{"a":1,}`: false, `[1 , 2]`: true, `{"a":tru}`: false, ``: false, `"a`: false,
	} {
		s := Scanner{Text: []byte(text)}
		if got := s.Value(3); got != want || want && s.Pos != len(text) {
			t.Errorf("%s: %v, up to %d", text, got, s.Pos)
		}
	}
}
