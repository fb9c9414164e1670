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
	dir := testkit.ShortDir(t)
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
		{"--format", "{{json .Type}} {{json .Name}}", "--filter", "type=pod"},
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

// realPodman is a podman that lists the events of a log, compared with our command on
// the same log. For versions that cannot read secrets, the log has none.
type realPodman struct {
	version string
	list    func(format string) string
	ours    *rig
}

// realPodmans runs a test beside Debian's podman 4.3.1 and, from the tree that the
// booted tests use, 5.4.2.
func realPodmans(t *testing.T, test func(t *testing.T, p *realPodman)) {
	const tree = "/var/cache/eventsvc-peers/booted"
	lib := tree + "/usr/lib/x86_64-linux-gnu"
	for _, peer := range []struct {
		version string
		program []string
		helpers string
	}{
		{"4.3.1", []string{"podman"}, ""},
		{"5.4.2", []string{
			tree + "/lib64/ld-linux-x86-64.so.2", "--library-path", lib + ":" + lib + "/systemd", tree + "/usr/bin/podman",
		}, tree + "/usr/lib/podman"},
	} {
		t.Run(peer.version, func(t *testing.T) {
			if _, err := exec.LookPath(peer.program[0]); err != nil || os.Getuid() != 0 {
				testkit.Need(t, peer.program[0])
				t.Skip("there is no podman", peer.version)
			}
			if version, _ := exec.Command(peer.program[0], append(peer.program[1:], "--version")...).Output(); !strings.Contains(string(version), peer.version) {
				t.Skipf("%s is %s", peer.program, version)
			}
			dir := testkit.ShortDir(t)
			log, conf := filepath.Join(dir, "events.log"), filepath.Join(dir, "containers.conf")
			writeFile(t, conf, fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\nevents_logfile_max_size = \"10g\"\nlock_type = \"file\"\nhelper_binaries_dir = [%q, %q]\n",
				log, "/usr/lib/podman", peer.helpers))
			sampled := string(sampleLog)
			if peer.helpers == "" {
				sampled = onlyOldTypes(sampled)
			}
			sampled = withoutSecrets.ReplaceAllString(sampled, "")
			writeFile(t, log, sampled)
			p := &realPodman{version: peer.version, ours: newRig(t, sampled)}
			p.list = func(format string) string {
				program := append(peer.program[:len(peer.program):len(peer.program)], "--root", dir+"/root", "--runroot", dir+"/run", "--tmpdir", dir+"/tmp",
					"--storage-driver", "vfs", "events", "--stream=false", "--format", format)
				c := exec.Command(program[0], program[1:]...)
				c.Env = append(os.Environ(), "CONTAINERS_CONF="+conf, "PODMAN_IGNORE_CGROUPSV1_WARNING=1")
				out, err := c.Output()
				if err != nil {
					t.Skipf("podman does not list events here: %v", err)
				}
				// What Podman does first on a new storage is an event, too.
				return strings.Join(strings.SplitAfter(string(out), "\n")[:strings.Count(sampled, "\n")], "")
			}
			test(t, p)
		})
	}
}

// withoutSecrets finds the lines of secrets, whose type no version of Podman reads back.
var withoutSecrets = regexp.MustCompile(`(?m)^.*"Type":"secret".*\n`)

// TestJSON_besideRealPodman lists every difference between our lines and those of a
// real podman events --format json.
func TestJSON_besideRealPodman(t *testing.T) {
	realPodmans(t, func(t *testing.T, p *realPodman) {
		theirs := strings.Split(strings.TrimSpace(p.list("json")), "\n")
		stdout, _, _ := p.ours.run("events", "--stream=false", "--format", "json")
		ours := strings.Split(strings.TrimSpace(stdout), "\n")
		if len(theirs) != len(ours) || len(ours) < 10 {
			t.Fatalf("podman prints %d lines, eventsvc %d", len(theirs), len(ours))
		}
		for i := range ours {
			a, b := members(t, theirs[i]), members(t, ours[i])
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
			if p.version == "4.3.1" {
				at, err := time.Parse(time.RFC3339Nano, a["Time"].(string)) // Podman 5 has time and timeNano
				if err != nil || b["timeNano"] != json.Number(fmt.Sprint(at.UnixNano())) {
					t.Errorf("the time of %v is %v", a, b)
				}
				delete(a, "Time")
				delete(b, "time")
				delete(b, "timeNano")
				if _, ok := a["ContainerExitCode"]; !ok && b["ContainerExitCode"] == json.Number("0") {
					delete(b, "ContainerExitCode") // it leaves out 0
				}
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("podman prints\n%s, eventsvc\n%s", theirs[i], ours[i])
			}
		}
	})
}

// TestTemplate_besideRealPodman lists every difference between what a template prints
// here and with a real podman.
func TestTemplate_besideRealPodman(t *testing.T) {
	tests := []struct {
		format string
		// differs names the versions that print something else, and why.
		differs map[string]string
	}{
		{"{{.ID}} {{.Name}} {{.Image}} {{.Type}} {{.Status}} {{.PodID}} {{.Network}}", nil},
		{"{{.Attributes}} {{.Attributes.image}} {{index .Attributes \"a\"}}", nil},
		{"{{range $k, $v := .Attributes}}{{$k}}={{$v}} {{end}}", nil},
		{"{{.Details.Attributes}}", nil},
		{"{{json .Name}} {{json .Status}}", nil},
		{"{{json .Attributes}}", map[string]string{"4.3.1": "it may be null there", "5.4.2": "it may be null there"}},
		{"{{upper .Name}} {{lower .Name}} {{title .Name}} {{truncate .ID 7}} {{pad .Name 1 2}} {{len .Name}}", nil},
		{"{{if eq .Name \"c1\"}}{{.ID}}{{else}}-{{end}}", nil},
		{"{{.HealthStatus}}", nil},
		{"{{.Time}}", map[string]string{"4.3.1": "it is a time there, and Unix seconds in 5"}},
		{"{{.Time.Unix}} {{.Time.UTC}}", map[string]string{"5.4.2": "there it is a number without methods"}},
		{"{{.TimeNano}}", map[string]string{"4.3.1": "it has none"}},
		{"{{.ContainerExitCode}}", map[string]string{"4.3.1": "it has 0 where there is none", "5.4.2": "it prints the address of the number"}},
		{"{{upper .Status}}", map[string]string{"4.3.1": "its function takes strings only", "5.4.2": "its function takes strings only"}},
		{"{{.ToHumanReadable false}}", map[string]string{"5.4.2": "it has no such method there"}},
		{"{{.Error}}", map[string]string{"4.3.1": "it has none"}},
		{"{{.UID}} {{.Host}} {{.Cursor}}", map[string]string{"4.3.1": "they are ours", "5.4.2": "they are ours"}},
		{"{{.}}", map[string]string{"4.3.1": "it prints the members of its struct", "5.4.2": "it prints the members of its struct"}},
	}
	realPodmans(t, func(t *testing.T, p *realPodman) {
		for _, test := range tests {
			ours, stderr, code := p.ours.run("events", "--stream=false", "--format", test.format)
			checkCode(t, code, exitOK)
			check(t, "stderr", stderr, "")
			if test.differs[p.version] == "" {
				check(t, "the output of "+test.format, sortLabels(ours), sortLabels(p.list(test.format)))
			}
		}
	})
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
