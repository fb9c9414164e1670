package access

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAccount_subordinate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "subuid")
	var a accounts
	if got := a.of(100_005, path); got != 100_005 {
		t.Errorf("without a file: %d", got)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1000:100000:65536\n# a comment\nno-such-user:1:5\n1001:165536:65536\n1002:0:5\n1003:4294967290:65536\n")
	for uid, want := range map[uint32]uint32{
		0: 0, 1: 1, 1000: 1000, 99_999: 99_999, 100_000: 1000, 165_535: 1000, 165_536: 1001, 231_072: 231_072, 4294967290: 4294967290,
	} {
		if got := a.of(uid, path); got != want {
			t.Errorf("uid %d counts to %d, want %d", uid, got, want)
		}
	}
	write("7:100000:1\n")
	if got := a.of(100_000, path); got != 7 {
		t.Errorf("after a change: %d", got)
	}
}
