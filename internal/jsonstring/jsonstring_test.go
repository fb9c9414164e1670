package jsonstring

import (
	"bytes"
	"encoding/json"
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
