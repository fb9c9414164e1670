package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// updateVariable has the golden files of the help texts written again.
const updateVariable = "UPDATE_GOLDEN"

func TestHelpTexts(t *testing.T) {
	for _, words := range [][]string{
		{"help"},
		{"help", "exit-codes"},
		{"serve", "--help"},
		{"events", "--help"},
		{"wait", "--help"},
		{"exec", "--help"},
		{"write", "--help"},
		{"state", "--help"},
		{"status", "--help"},
		{"bridge", "--help"},
		{"demo", "--help"},
		{"version", "--help"},
	} {
		name := strings.Trim(strings.ReplaceAll(strings.Join(words, "-"), "---help", ""), "-")
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := runIn(t.Context(), words...)
			checkCode(t, code, exitOK)
			check(t, "stderr", stderr, "")
			golden := filepath.Join("testdata", "help", name+".txt")
			if os.Getenv(updateVariable) != "" {
				if err := os.WriteFile(golden, []byte(stdout), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "the help text ("+updateVariable+"=1 accepts it)", stdout, string(want))
			for _, line := range strings.Split(stdout, "\n") {
				if len(line) > 120 {
					t.Errorf("this line is longer than a wide terminal: %s", line)
				}
			}
		})
	}
}
