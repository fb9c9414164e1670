package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/cli"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// pages makes all pages and returns them by file name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(filepath.Join("..", ".."))
	if err := write(dir, "2026-11-23", "1.2.3"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[entry.Name()] = string(text)
	}
	return all
}

func TestPages_everyCommand(t *testing.T) {
	all := pages(t)
	for _, name := range []string{"eventsvc.1", "eventsvc-serve.8", "eventsvc.toml.5", "io.podman.events.7", "io.podman.Events1.7", "io.podman.autoupdate.7", "io.podman.AutoUpdate1.7"} {
		if all[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	for _, c := range cli.Command().Commands() {
		if name := pageName(c) + "." + section(c); c.Runnable() && !c.Hidden && all[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
}

// Pages say what the help says.
func TestPages_asHelp(t *testing.T) {
	all := pages(t)
	for _, test := range []struct{ page, want string }{
		{"eventsvc.toml.5", `\fBallow\-read\fR = \fIa list of strings\fR`},
		{"io.podman.Events1.7", `.SS Method Subscribe(s token, as filters, a{sv} options) \-> (o subscription, s cursor)`},
		{"eventsvc-serve.8", ".TH eventsvc-serve 8 \"2026-11-23\" \"eventsvc 1.2.3\""},
		{"eventsvc-serve.8", `\fB\-\-allow\-read\fR=\fIWHO\fR`},
		{"eventsvc-events.1", `\fB\-f\fR, \fB\-\-filter\fR=`},
		{"eventsvc.1", ".SH EXIT STATUS\n"},
		{"io.podman.events.7", ".SS Subscribe()\n"},
		{"io.podman.events.7", `\fBheartbeatSec\fR: \fI?int\fR`},
		{"io.podman.events.7", ".SS CursorExpired\n"},
	} {
		if !strings.Contains(all[test.page], test.want) {
			t.Errorf("%s has no %q", test.page, test.want)
		}
	}
}

// No formatter complains about a page, and none has to guess its encoding.
func TestPages_withoutWarnings(t *testing.T) {
	formatters := map[string][]string{"groff": {"-ww", "-man", "-Tutf8"}, "mandoc": {"-T", "lint", "-W", "warning"}}
	found := false
	all := pages(t)
	for program, args := range formatters {
		if _, err := exec.LookPath(program); err != nil {
			continue
		}
		found = true
		for name, text := range all {
			c := exec.Command(program, args...)
			c.Stdin = strings.NewReader(text)
			var complaints bytes.Buffer
			c.Stderr = &complaints
			if program == "mandoc" {
				c.Stdout = &complaints // where it prints them
			}
			if err := c.Run(); err != nil || complaints.Len() > 0 {
				t.Errorf("%s: %s: %v\n%s", program, name, err, complaints.String())
			}
		}
	}
	if !found {
		testkit.Missing(t, "groff or mandoc", "test/peers/install.sh")
	}
}

// No line of text is taken for a command.
func TestPages_leadingDot(t *testing.T) {
	var r roff
	r.prose(".so /etc/passwd\n'quoted' \\fBbold")
	if got, want := r.String(), "\\&.so /etc/passwd\n\\(aqquoted\\(aq \\efBbold\n"; got != want {
		t.Errorf("prose writes %q, want %q", got, want)
	}
}

// A contract that is invalid is refused.
func TestContract_invalid(t *testing.T) {
	for _, idl := range []string{"", "interface a.b\n", "interface a.b\nmethod F(\n  what is this\n) -> ()\n"} {
		if _, err := contractPage([]byte(idl), described{}); err == nil {
			t.Errorf("no error about %q", idl)
		}
	}
}
