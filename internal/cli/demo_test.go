package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// demo --once proves that all works.
func TestDemo_once(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	stdout, stderr, code := runIn(t.Context(), "demo", "--once")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
	for _, want := range []string{
		"a log of 48 events that Podman wrote", "container died          bec5c1ac18bc d1 exit=137 ",
		"container create        decaf0000000 demo-1 localhost/demo:latest demo=true\n", "It works",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the demo does not print %q:\n%s", want, stdout)
		}
	}
}

// Demo prints commands that work, and removes everything at the end.
func TestDemo_printedCommands(t *testing.T) {
	c := begin(t, "demo", "--every", "10ms")
	c.out.expect(t, "container remove        decaf0000000")
	address := regexp.MustCompile(`unix:\S+`).FindString(c.out.String())
	dir := filepath.Dir(strings.TrimPrefix(address, "unix:"))
	if !strings.Contains(c.out.String(), "\n  export EVENTSVC_ADDRESS="+address+"\n") {
		t.Errorf("the demo does not print the address to export:\n%s", c.out)
	}
	t.Setenv("EVENTSVC_ADDRESS", address)
	commands := regexp.MustCompile(`(?m)^  eventsvc (.*)$`).FindAllStringSubmatch(c.out.String(), -1)
	if len(commands) != 7 {
		t.Errorf("the demo prints %d commands, want 7:\n%s", len(commands), c.out)
	}
	for _, command := range commands {
		words := strings.Fields(command[1])
		if words[0] == "events" && !strings.Contains(command[1], "--stream=false") {
			words = append(words, "--until", "now")
		}
		stdout, stderr, code := runIn(t.Context(), words...)
		if code != exitOK || stderr != "" || stdout == "" || strings.Contains(stdout, ": 0 containers") {
			t.Errorf("%s: exit code %d, %q, %q", command[0], code, stdout, stderr)
		}
	}
	c.out.expect(t, " mine exit=3\n")
	checkCode(t, c.end(t), exitOK)
	check(t, "stderr", c.errs.String(), "")
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is still there", dir)
	}
}

// Demo finds a place with a short path.
func TestDemo_shortPath(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	t.Setenv("XDG_RUNTIME_DIR", long)
	stdout, _, code := runIn(t.Context(), "demo", "--once")
	checkCode(t, code, exitOK)
	if !strings.Contains(stdout, "It works") {
		t.Error(stdout)
	}
	if left, err := os.ReadDir(long); err != nil || len(left) != 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestDemo_shellWords(t *testing.T) {
	for word, want := range map[string]string{
		"bin/eventsvc": "bin/eventsvc", "unix:/run/x": "unix:/run/x", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'",
	} {
		check(t, "the word", shellWord(word), want)
	}
}
