package command

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Every flag and every name that is given refuses an empty value, before the
// command does anything.
func TestCommand_refusesEmptyValues(t *testing.T) {
	refused := func(line ...string) {
		root := (&app{stdout: io.Discard, stderr: io.Discard}).root()
		root.SetArgs(line)
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "empty") && !strings.Contains(err.Error(), `""`) {
			t.Errorf("%q: error is %v", line, err)
		}
	}
	tried := 0
	root := Command()
	for _, c := range append(root.Commands(), root) {
		var line []string
		if c != root {
			line = append(line, c.Name())
		}
		given := []string{"name"}
		if c.Args == nil || c.ValidateArgs(given) != nil {
			given = nil
		}
		try := func(f *pflag.Flag) {
			tried++
			refused(append(append(line[:len(line):len(line)], "--"+f.Name+"="), given...)...)
		}
		c.Flags().VisitAll(try)
		c.InheritedFlags().VisitAll(try)
		if given != nil {
			refused(append(line[:len(line):len(line)], "")...)
		}
	}
	refused("hold", "image", "")
	if tried < 30 {
		t.Errorf("only %d flags were tried", tried)
	}
}

// Help and errors name the command that the user has typed.
func TestCommand_namedAsCalled(t *testing.T) {
	t.Setenv("EVENTSVC_COMMAND", "eventsvc auto-update")
	var out strings.Builder
	root := Command()
	root.SetOut(&out)
	root.SetArgs([]string{"--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"  eventsvc auto-update [flags] [UNIT...]\n",
		"  eventsvc auto-update [command]\n",
		`Use "eventsvc auto-update [command] --help"`,
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the help does not have %q:\n%s", line, out.String())
		}
	}
}
