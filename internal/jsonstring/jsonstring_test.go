package jsonstring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// stringSeeds has every class of rune that a JSON string treats in its own way.
func stringSeeds() []string {
	seeds := []string{
		"", "plain", `"quoted"`, `back\slash`, "<script>&amp;</script>", "line\nfeed\r\ttab\b\f", "\x00\x01\x1f \x7f",
		"é ü 漢字 😀", "\u2027\u2028\u2029\u202a", "\ufffd", "\ufeff", "\u0080\u07ff\u0800\uffff\U00010000\U0010ffff",
		"\xff", "a\x80b", "\xc3", "\xe2\x80", "\xe2\x80\xa8\xe2\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80",
	}
	return append(seeds, strings.Join(seeds, "|"))
}

func TestAppend_asEncodingJSON(t *testing.T) {
	check := func(s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := Append([]byte("x"), s); string(got) != "x"+string(want) {
			t.Errorf("%q is written as %s, want %s", s, got[1:], want)
		}
	}
	for _, s := range stringSeeds() {
		check(s)
	}
	for b := range 256 {
		check(string([]byte{'a', byte(b), 'z'}))
	}
	for r := rune(0); r <= utf8.MaxRune; r += 1 + r/64 {
		check("a" + string(r) + "z")
	}
}

// Whatever is to be escaped, no more is appended than the bound and what is looked at
// at a time.
func TestAppendWithin_bound(t *testing.T) {
	const most, atATime = 1000, 32 * len(`\u0000`)
	for _, part := range stringSeeds()[1:] {
		s := strings.Repeat(part, 1000)
		want := Append(nil, s)
		longer := len(want) - len(`""`) - len(s)
		got, ok := AppendWithin(nil, s, most)
		switch {
		case ok && !bytes.Equal(got, want):
			t.Errorf("%q is written as %.100q, want %.100q", part, got, want)
		case ok && longer > most+atATime, !ok && (longer <= most || len(got) > len(s)+most+atATime):
			t.Errorf("%q: escapes make it %d bytes longer, %v with %d bytes", part, longer, ok, len(got))
		}
	}
}

func FuzzAppend(f *testing.F) {
	for _, s := range stringSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := Append(nil, s); !bytes.Equal(got, want) {
			t.Errorf("%q is written as %s, want %s", s, got, want)
		}
	})
}

// checkUnescape compares with encoding/json. Only its strings matter, in UTF-8: others
// never come out of a scan.
func checkUnescape(t *testing.T, escaped string) {
	t.Helper()
	var want string
	got := Unescape([]byte(escaped))
	if err := json.Unmarshal([]byte(`"`+escaped+`"`), &want); err == nil && utf8.ValidString(escaped) && got != want {
		t.Errorf("%q is read as %q, want %q", escaped, got, want)
	}
}

// escapedSeeds are strings with escapes, and some that are no JSON strings.
func escapedSeeds() []string {
	seeds := []string{
		`\u003c\u003E&`, `\"\\\/\b\f\n\r\t`, `\u0000`, `\ud83d\ude00`, `\ud83d`, `\ude00\ud83d`, `\uffff\u2028`, `é\n`,
		`\`, `\u`, `\u12`, `\u12g4`, `\u+123`, `\u1_23`, `\x41`, `a"b`, `a\"`, "a\nb", "\x7f\\n",
	}
	return append(seeds, strings.Join(seeds[:8], "|"))
}

func TestUnescape_asEncodingJSON(t *testing.T) {
	for _, s := range append(escapedSeeds(), stringSeeds()...) {
		checkUnescape(t, s)
	}
	for r := rune(0); r <= 0xffff; r++ {
		checkUnescape(t, fmt.Sprintf(`a\u%04x`, r))
	}
}

func FuzzUnescape(f *testing.F) {
	for _, s := range escapedSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		checkUnescape(t, escaped)
	})
}

func TestAppendMap_sorted(t *testing.T) {
	for _, test := range []struct {
		labels map[string]string
		want   string
	}{
		{nil, `null`},
		{map[string]string{}, `{}`},
		{map[string]string{"b": "2", "a": "1", "": "", "B": "\n"}, `{"":"","B":"\n","a":"1","b":"2"}`},
	} {
		if got := string(AppendMap([]byte("x"), test.labels)); got != "x"+test.want {
			t.Errorf("%v is written as %s", test.labels, got)
		}
	}
}
