package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every flag of every command refuses an empty value, before the command does
// anything.
func TestFlags_refuseEmptyValues(t *testing.T) {
	tried := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			tried++
			var out, complaint strings.Builder
			line := append(strings.Fields(c.CommandPath()), "--"+f.Name+"=")
			if code := Run(context.Background(), line, strings.NewReader(""), &out, &complaint); code != exitError {
				t.Errorf("%v: exit code is %d", line, code)
			}
			if said := complaint.String(); out.Len() > 0 || !strings.Contains(said, "--"+f.Name) ||
				!strings.Contains(said, "empty") && !strings.Contains(said, `invalid argument ""`) && !strings.Contains(said, "=: it must be ") {
				t.Errorf("%v: printed %q and %q", line, &out, said)
			}
		})
	}
	visit(Command())
	if tried < 50 {
		t.Errorf("only %d flags were tried", tried)
	}
}

// A time of 0 is a value, and means none.
func TestFlags_zeroTime(t *testing.T) {
	r := newRig(t, sample)
	_, stderr, code := r.run("wait", "--timeout=0", "--since=2026-01-01")
	checkCode(t, code, exitOK)
	check(t, "stderr", stderr, "")
}

// A value of the wrong type is refused in the user's words.
func TestFlags_wrongType(t *testing.T) {
	for args, want := range map[string]string{
		"exec --jobs=x -- true":                    "cannot use --jobs=x: it must be a whole number",
		"write --exit-code=":                       "cannot use --exit-code=: it must be a whole number",
		"exec --jobs=99999999999999999999 -- true": "cannot use --jobs=99999999999999999999: it must be a smaller number",
		"events --stream=maybe":                    "cannot use --stream=maybe: it must be true or false",
	} {
		_, stderr, code := runIn(t.Context(), strings.Fields(args)...)
		checkCode(t, code, exitError)
		if !strings.HasPrefix(stderr, "eventsvc: "+want+"; see 'eventsvc ") {
			t.Errorf("%s: %q", args, stderr)
		}
	}
}
