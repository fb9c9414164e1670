package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const nameFormat = "{{.Name}}"

// Cursor file continues from one run to the next.
func TestCursorFile_nextRun(t *testing.T) {
	r := newRig(t, "")
	place := filepath.Join(t.TempDir(), "place")
	list := []string{"events", "--stream=false", "--format", nameFormat, "--cursor-file", place}
	r.write("a", "b")
	stdout, stderr, code := r.run(list...)
	checkCode(t, code, exitOK)
	check(t, "the first output", stdout+stderr, "a\nb\n")
	stdout, stderr, _ = r.run(list...)
	check(t, "the output without anything new", stdout+stderr, "")
	r.write("c")
	stdout, stderr, _ = r.run(list...)
	check(t, "the output with something new", stdout+stderr, "c\n")
	r.stop()
	r.start()
	r.write("d")
	stdout, stderr, _ = r.run(list...)
	check(t, "the output after a restart of the service", stdout+stderr, "d\n")
}

// Cursor file is written after what has been printed.
func TestCursorFile_afterPrinting(t *testing.T) {
	r := newRig(t, sample)
	place := filepath.Join(t.TempDir(), "place")
	follow := []string{"events", "--format", "{{.Name}} {{.Cursor}}", "--cursor-file", place}
	c := r.begin(follow...)
	eventually(t, "cursor file at the start", func() bool { _, err := os.Stat(place); return err == nil })
	r.write("a")
	c.out.expect(t, "a ")
	var cursor string
	eventually(t, "cursor of the event in the file", func() bool {
		text, err := os.ReadFile(place)
		if err != nil {
			t.Fatal(err) // it is replaced, and so never absent
		}
		cursor = strings.TrimSpace(string(text))
		return c.out.String() == "a "+cursor+"\n"
	})
	c.end(t)
	r.write("b", "c")
	c = r.begin(follow...)
	c.out.expect(t, "c ")
	c.end(t)
	if got := c.out.String(); !strings.HasPrefix(got, "b ") || strings.Count(got, "\n") != 2 {
		t.Errorf("the second run printed %q, want b and c", got)
	}
	left, err := os.ReadDir(filepath.Dir(place))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the cursor file there is %v, %v", left, err)
	}
	other, _, _ := r.run("events", "--stream=false", "--format", nameFormat, "--after-cursor", cursor)
	check(t, "the output after the cursor of a", other, "b\nc\n")
}

// Cursor file that is invalid is left alone.
func TestCursorFile_invalid(t *testing.T) {
	r := newRig(t, sample)
	place := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(place, []byte("Dear diary,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := r.run("events", "--stream=false", "--cursor-file", place)
	checkCode(t, code, exitError)
	check(t, "stderr", stderr, "eventsvc: cannot use the cursor file "+place+
		": its content is not a cursor; name another file, or remove it\n")
	if text, _ := os.ReadFile(place); string(text) != "Dear diary,\n" {
		t.Errorf("the file now holds %q", text)
	}
}

// Cursor file that is no regular file is left alone.
func TestCursorFile_notRegular(t *testing.T) {
	r := newRig(t, sample)
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe") // to read it would be to wait
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for name, arguments := range map[string][]string{
		"A pipe":         {"events", "--stream=false", "--cursor-file", pipe},
		"A link to it":   {"events", "--stream=false", "--cursor-file", link},
		"A directory":    {"events", "--stream=false", "--cursor-file", dir},
		"A pipe of exec": {"exec", "--stream=false", "--cursor-file", pipe, "--", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := r.run(arguments...)
			checkCode(t, code, exitError)
			check(t, "stdout", stdout, "")
			if !strings.HasPrefix(stderr, "eventsvc: cannot use the cursor file ") || !strings.Contains(stderr, "it is not a regular file") {
				t.Errorf("stderr is %q", stderr)
			}
			if found, err := os.Stat(pipe); err != nil || found.Mode()&os.ModeNamedPipe == 0 {
				t.Errorf("the pipe is %v, %v", found, err)
			}
		})
	}
}

// Cursor file may be empty or a link.
func TestCursorFile_emptyOrLink(t *testing.T) {
	r := newRig(t, sample)
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	stdout, _, code := r.run("events", "--stream=false", "--format", "{{.Type}}", "--cursor-file", link)
	checkCode(t, code, exitOK)
	check(t, "stdout", stdout, "system\ncontainer\ncontainer\nvolume\n")
	if target, err := os.Readlink(link); err != nil || target != "file" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestCursorFile_notWritable(t *testing.T) {
	r := newRig(t, sample)
	place := filepath.Join(t.TempDir(), "missing", "place")
	c := r.begin("events", "--cursor-file", place)
	r.write("a")
	checkCode(t, c.wait(t), exitError)
	if got := c.errs.String(); !strings.HasPrefix(got, "eventsvc: cannot keep the cursor in "+place) {
		t.Errorf("stderr is %q", got)
	}
}

// loseThePlace makes the cursor of an event and replaces the log by another.
func loseThePlace(t *testing.T) (r *rig, cursor string) {
	t.Helper()
	r = newRig(t, sample)
	r.write("lost")
	cursor, _, _ = r.run("events", "--stream=false", "-f", "volume=lost", "--format", "{{.Cursor}}")
	cursor = strings.TrimSpace(cursor)
	r.stop()
	other := strings.ReplaceAll(sample, "2026-11-23", "2026-11-24")
	if err := os.WriteFile(r.log(), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	return r, cursor
}

// Expired cursor has an exit code of its own.
func TestExpiredCursor_exitCode(t *testing.T) {
	r, cursor := loseThePlace(t)
	for _, stream := range []string{"--stream=true", "--stream=false"} {
		stdout, stderr, code := r.run("events", stream, "--after-cursor", cursor)
		checkCode(t, code, exitExpired)
		check(t, "stdout", stdout, "")
		if !strings.Contains(stderr, "no longer holds the place") || !strings.Contains(stderr, "--if-expired oldest") {
			t.Errorf("stderr is %q", stderr)
		}
	}
}

// After an expired cursor, the command continues from the oldest event on request.
func TestExpiredCursor_oldest(t *testing.T) {
	r, cursor := loseThePlace(t)
	for _, stream := range []string{"--stream=true", "--stream=false"} {
		c := r.begin("events", stream, "--after-cursor", cursor, "--if-expired", "oldest", "--format", "{{.Type}}")
		c.out.expect(t, "system\ncontainer\ncontainer\nvolume\n")
		c.errs.expect(t, "going on from there, some events may be missing")
		c.end(t)
	}
}

func TestEvents_restartOfTheService(t *testing.T) {
	r := newRig(t, sample)
	c := r.begin("events", "--format", nameFormat)
	r.waitForSubscriber()
	const restarts = 5
	want := ""
	for i := range restarts {
		name := fmt.Sprint("before-", i)
		r.write(name)
		want += name + "\n"
		r.stop()
		// What is written while no service runs is not missed.
		log, err := os.OpenFile(r.log(), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(log, `{"Name":"meanwhile-%d","Status":"create","Time":"2026-11-23T12:46:00.%dZ","Type":"volume","Attributes":null}`+"\n", i, i+1)
		log.Close()
		want += fmt.Sprintf("meanwhile-%d\n", i)
		r.start()
		c.out.expect(t, want)
	}
	checkCode(t, c.end(t), exitSignal+2)
	check(t, "stdout", c.out.String(), want)
	lines := strings.Split(strings.TrimSuffix(c.errs.String(), "\n"), "\n")
	if len(lines) != 2*restarts {
		t.Errorf("stderr has %d lines, want two for each restart: %q", len(lines), lines)
	}
	for i, line := range lines {
		want := []string{"; trying again", "eventsvc: connected again"}[i%2]
		if !strings.Contains(line, want) {
			t.Errorf("line %d of stderr is %q, want %q", i+1, line, want)
		}
	}
}
