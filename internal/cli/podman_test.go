package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestLinesAreThoseOfPodman holds the lines for people, and some templates,
// against those that a real podman prints for the same log.
func TestLinesAreThoseOfPodman(t *testing.T) {
	testkit.Need(t, "podman")
	dir, err := os.MkdirTemp("", "ev") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	log := filepath.Join(dir, "events.log")
	// Podman 4.3 reads this variable only, and would cut a log of its usual size.
	conf := filepath.Join(dir, "containers.conf")
	writeFile(t, conf, fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\nevents_logfile_max_size = \"10g\"\n", log))
	storage := filepath.Join(dir, "storage.conf")
	writeFile(t, storage, fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", dir+"/root", dir+"/run"))
	writeFile(t, log, onlyOldTypes(string(sampleLog)))
	list := func(arguments ...string) string {
		c := exec.Command("podman", append([]string{
			"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--storage-driver", "vfs",
			"--events-backend", "file", "events", "--stream=false",
		}, arguments...)...)
		c.Env = append(os.Environ(), "CONTAINERS_CONF="+conf, "CONTAINERS_STORAGE_CONF="+storage)
		out, err := c.Output()
		if err != nil {
			t.Skipf("podman does not list events here: %v", err)
		}
		return sortLabels(string(out))
	}
	list() // the first podman on a new storage writes an event
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, string(text))
	// No --until: with one that has passed podman 4.3.1 stops reading after a
	// few lines, now these, now those.
	for _, arguments := range [][]string{
		nil,
		{"--no-trunc=false"},
		{"--filter", "type=container", "--filter", "event=create"},
		{"--filter", "event=create", "--filter", "event=remove"},
		{"--filter", "image=localhost/scratch:1"},
		{"--filter", "label=a=b"},
		{"--since", "2026-11-23T12:46:15Z"},
		{"--format", "{{.ID}}|{{.Status}}|{{.Type}}|{{.Time}}|{{.Name}}|{{.Image}}|{{.PodID}}|{{.Network}}|{{.Attributes}}"},
		{"--format", `{{.Type}}\t{{.Name}}\n`},
		{"--format", "{{json .Attributes}} {{json .Name}}", "--filter", "type=pod"},
		{"--format", `{{upper .Name}} {{lower .Name}} {{title .Name}} {{truncate .ID 7}} {{pad .Name 1 2}} {{join (split .Image "/") "+"}}`},
	} {
		t.Run(strings.Join(arguments, " "), func(t *testing.T) {
			want := list(arguments...)
			got, stderr, code := r.run(append([]string{"events", "--stream=false"}, arguments...)...)
			checkCode(t, code, exitOK)
			check(t, "stderr", stderr, "")
			if want == "" {
				t.Error("podman prints nothing: this compares nothing")
			}
			check(t, "the output", sortLabels(got), want)
		})
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// onlyOldTypes leaves out what Podman 4.3 cannot read: it knows no secrets,
// health of containers it prints otherwise, and some statuses it does not know.
func onlyOldTypes(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !regexp.MustCompile(`"Type":"(secret|network)"|"Status":"(update|health_status|pull-error)"`).MatchString(line) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

var inParentheses = regexp.MustCompile(`\((image=[^,\n]*, name=[^,)\n]*), (.*)\)\n`)

// sortLabels sorts what Podman prints in random order.
func sortLabels(text string) string {
	return inParentheses.ReplaceAllStringFunc(text, func(s string) string {
		parts := inParentheses.FindStringSubmatch(s)
		labels := strings.Split(parts[2], ", ")
		slices.Sort(labels)
		return "(" + parts[1] + ", " + strings.Join(labels, ", ") + ")\n"
	})
}
