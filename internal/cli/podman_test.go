package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestEvents_linesAsPodman holds the lines for people, and some templates,
// against those that a real podman prints for the same log.
func TestEvents_linesAsPodman(t *testing.T) {
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
		{"--format", "{{.ID}}|{{.Status}}|{{.Type}}|{{.Time.UTC}}|{{.Name}}|{{.Image}}|{{.PodID}}|{{.Network}}|{{.Attributes}}"},
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

// TestJSON_besideRealPodman lists every difference between our lines and those of a
// real podman events --format json.
func TestJSON_besideRealPodman(t *testing.T) {
	const tree = "/var/cache/eventsvc-peers/booted"
	lib := tree + "/usr/lib/x86_64-linux-gnu"
	for _, peer := range []struct {
		name    string
		program []string
		helpers string
		// member by member: what of theirs is missing or different, with ours
		differ func(theirs, ours map[string]any)
	}{
		{"4.3.1", []string{"podman"}, "", func(theirs, ours map[string]any) {
			at, err := time.Parse(time.RFC3339Nano, theirs["Time"].(string)) // Podman 5 has time and timeNano
			if err != nil || ours["timeNano"] != json.Number(fmt.Sprint(at.UnixNano())) {
				t.Errorf("the time of %v is %v", theirs, ours)
			}
			delete(theirs, "Time")
			delete(ours, "time")
			delete(ours, "timeNano")
			if _, ok := theirs["ContainerExitCode"]; !ok && ours["ContainerExitCode"] == json.Number("0") {
				delete(ours, "ContainerExitCode") // it leaves out 0
			}
		}},
		{"5.4.2", []string{
			tree + "/lib64/ld-linux-x86-64.so.2", "--library-path", lib + ":" + lib + "/systemd", tree + "/usr/bin/podman",
		}, tree + "/usr/lib/podman", func(_, _ map[string]any) {}},
	} {
		t.Run(peer.name, func(t *testing.T) {
			if _, err := exec.LookPath(peer.program[0]); err != nil || os.Getuid() != 0 {
				t.Skip("there is no podman", peer.name)
			}
			if version, _ := exec.Command(peer.program[0], append(peer.program[1:], "--version")...).Output(); !strings.Contains(string(version), peer.name) {
				t.Skipf("%s is %s", peer.program, version)
			}
			dir, err := os.MkdirTemp("", "ev") //nolint:usetesting // podman wants short paths
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			log, conf := filepath.Join(dir, "events.log"), filepath.Join(dir, "containers.conf")
			writeFile(t, conf, fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\nevents_logfile_max_size = \"10g\"\nlock_type = \"file\"\nhelper_binaries_dir = [%q, %q]\n",
				log, "/usr/lib/podman", peer.helpers))
			sampled := string(sampleLog)
			if peer.helpers == "" {
				sampled = onlyOldTypes(sampled)
			}
			writeFile(t, log, sampled)
			r := newRig(t, sampled)
			program := append(peer.program, "--root", dir+"/root", "--runroot", dir+"/run", "--tmpdir", dir+"/tmp", "--storage-driver", "vfs",
				"events", "--stream=false", "--format", "json")
			c := exec.Command(program[0], program[1:]...)
			c.Env = append(os.Environ(), "CONTAINERS_CONF="+conf, "PODMAN_IGNORE_CGROUPSV1_WARNING=1")
			out, err := c.Output()
			if err != nil {
				t.Skipf("podman does not list events here: %v", err)
			}
			theirs := strings.Split(strings.TrimSpace(string(out)), "\n")
			stdout, _, _ := r.run("events", "--stream=false", "--format", "json")
			ours := strings.Split(strings.TrimSpace(stdout), "\n")
			for i, at := 0, 0; i < len(ours); i, at = i+1, at+1 {
				b := members(t, ours[i])
				if b["Type"] == "secret" && !strings.Contains(theirs[at], `"secret"`) { // which no version of it reads back
					at--
					continue
				}
				a := members(t, theirs[at])
				if a["Attributes"] == nil { // ours are never null
					a["Attributes"] = map[string]any{}
				}
				for _, own := range []string{"Timestamp", "UID", "Cursor"} {
					delete(b, own)
				}
				for _, unprinted := range []string{"health_log", "health_failing_streak"} { // neither version prints them
					if _, ok := a[unprinted]; !ok {
						delete(b, unprinted)
					}
				}
				peer.differ(a, b)
				if !reflect.DeepEqual(a, b) {
					t.Errorf("podman prints\n%s, eventsvc\n%s", theirs[at], ours[i])
				}
			}
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
