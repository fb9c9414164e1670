package varlinkwire

import "testing"

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
