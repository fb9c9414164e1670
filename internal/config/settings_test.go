package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testKeys = map[string]Key{"listen": {List: true}, "allow-read": {List: true}, "log-file": {}, "log-level": {}, "sync": {}, "max": {}}

// plant writes files below a root that stands for the host's.
func plant(t *testing.T, files map[string]string) Environment {
	t.Helper()
	env := Environment{Root: t.TempDir()}
	for path, text := range files {
		target := filepath.Join(env.Root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if link, isLink := strings.CutPrefix(text, "-> "); isLink {
			if err := os.Symlink(link, target); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(target, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

func TestSettings_severalFiles(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		uid   int
		want  map[string]string // key: values, origin
		order []string
	}{
		{
			name: "No file at all",
			want: map[string]string{},
		},
		{
			name: "Of the main files the first directory's counts, and the others not at all",
			files: map[string]string{
				"etc/eventsvc/eventsvc.toml":     "log-level = \"debug\"\n",
				"usr/lib/eventsvc/eventsvc.toml": "log-level = \"warn\"\nlog-file = \"/x\"\n",
			},
			want:  map[string]string{"log-level": "debug /etc/eventsvc/eventsvc.toml:1"},
			order: []string{"/etc/eventsvc/eventsvc.toml"},
		},
		{
			name: "Drop-ins of every directory go by name, and above any main file",
			files: map[string]string{
				"etc/eventsvc/eventsvc.toml":                  "log-level = \"debug\"\nmax = 1\n",
				"usr/lib/eventsvc/eventsvc.toml.d/20-b.toml":  "# vendor\nlog-level = \"warn\"\n",
				"etc/eventsvc/eventsvc.toml.d/10-a.toml":      "log-level = \"error\"\nlog-file = \"/a\"\n",
				"run/eventsvc/eventsvc.toml.d/30-c.toml":      "sync = true\n",
				"run/eventsvc/eventsvc.toml.d/README":         "not a drop-in",
				"usr/local/lib/eventsvc/eventsvc.toml.d/40.d": "nor this",
			},
			want: map[string]string{
				"log-level": "warn /usr/lib/eventsvc/eventsvc.toml.d/20-b.toml:2",
				"log-file":  "/a /etc/eventsvc/eventsvc.toml.d/10-a.toml:2",
				"max":       "1 /etc/eventsvc/eventsvc.toml:2",
				"sync":      "true /run/eventsvc/eventsvc.toml.d/30-c.toml:1",
			},
			order: []string{
				"/etc/eventsvc/eventsvc.toml", "/etc/eventsvc/eventsvc.toml.d/10-a.toml",
				"/usr/lib/eventsvc/eventsvc.toml.d/20-b.toml", "/run/eventsvc/eventsvc.toml.d/30-c.toml",
			},
		},
		{
			name: "A drop-in of /etc hides that of /usr/lib, be it a link to nothing",
			files: map[string]string{
				"usr/lib/eventsvc/eventsvc.toml.d/50.toml": "log-level = \"warn\"\n",
				"usr/lib/eventsvc/eventsvc.toml.d/60.toml": "max = 6\n",
				"run/eventsvc/eventsvc.toml.d/60.toml":     "max = 7\n",
				"usr/lib/eventsvc/eventsvc.toml.d/70.toml": "sync = true\n",
				"etc/eventsvc/eventsvc.toml.d/50.toml":     "",
				"etc/eventsvc/eventsvc.toml.d/70.toml":     "-> /dev/null",
			},
			want: map[string]string{"max": "7 /run/eventsvc/eventsvc.toml.d/60.toml:1"},
		},
		{
			name: "A list is replaced as a whole, and one value is a list, too",
			files: map[string]string{
				"etc/eventsvc/eventsvc.toml":          "listen = [\n \"unix:/a\",\n \"unix:/b\"]\nallow-read = \"@wheel\"\n",
				"etc/eventsvc/eventsvc.toml.d/1.toml": "listen = [\"unix:/c\"]\n",
			},
			want: map[string]string{
				"listen":     "unix:/c /etc/eventsvc/eventsvc.toml.d/1.toml:1",
				"allow-read": "@wheel /etc/eventsvc/eventsvc.toml:4",
			},
		},
		{
			name: "A user has files of its own, and those of the host are not its",
			files: map[string]string{
				"etc/eventsvc/eventsvc.toml":                          "log-level = \"debug\"\n",
				"home/alice/.config/eventsvc/eventsvc.toml":           "max = 2.5\n",
				"home/alice/.config/eventsvc/eventsvc.toml.d/x.toml":  "log-file = \"/y\"\n",
				"home/alice/.config/eventsvc/eventsvc.toml.d/.x.toml": "",
			},
			uid: 1000,
			want: map[string]string{
				"max":      "2.5 /home/alice/.config/eventsvc/eventsvc.toml:1",
				"log-file": "/y /home/alice/.config/eventsvc/eventsvc.toml.d/x.toml:1",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := plant(t, test.files)
			env.UID, env.Home = test.uid, "/home/alice"
			got, err := ReadSettings(env, "", testKeys)
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range test.want {
				if said := strings.Join(got.ByKey[key].Values, " ") + " " + got.ByKey[key].Origin(); said != want {
					t.Errorf("%s is %q, want %q", key, said, want)
				}
			}
			if len(got.ByKey) != len(test.want) {
				t.Errorf("the settings are %v", got.ByKey)
			}
			if test.order != nil && !slices.Equal(got.Files, test.order) {
				t.Errorf("the files are %q, want %q", got.Files, test.order)
			}
		})
	}
}

func TestSettings_oneFile(t *testing.T) {
	env := plant(t, map[string]string{
		"etc/eventsvc/eventsvc.toml": "max = 1\n",
		"tmp/mine.toml":              "log-file = \"/x\"\n",
	})
	got, err := ReadSettings(env, "/tmp/mine.toml", testKeys)
	if err != nil || len(got.ByKey) != 1 || got.ByKey["log-file"].Origin() != "/tmp/mine.toml:1" {
		t.Errorf("it says %v, %v", got, err)
	}
	if _, err := ReadSettings(env, "/tmp/missing.toml", testKeys); err == nil ||
		!strings.HasPrefix(err.Error(), "cannot read /tmp/missing.toml: no such file or directory; ") {
		t.Errorf("a file that is missing: %v", err)
	}
}

func TestSettings_bad(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"A key that is none":       {"# one\n\nallow-reed = []\n", `cannot use allow-reed in /f.toml:3: there is no such key; did you mean "allow-read"?`},
		"A key with an underscore": {"log_file = \"/x\"\n", `cannot use log_file in /f.toml:1: there is no such key; did you mean "log-file"?`},
		"A key like nothing known": {"quite-something-else-entirely = 1\n", "cannot use quite-something-else-entirely in /f.toml:1: there is no such key; the keys are allow-read, listen,"},
		"A table":                  {"max = 1\n[limits]\nx = 1\n", "cannot use limits in /f.toml:2: there is no such key; "},
		"No TOML":                  {"max = 1\nlog-file = /x\n", "cannot read /f.toml:2: "},
		"A key twice":              {"max = 1\nmax = 2\n", "cannot read /f.toml:2: "},
		"An array for one value":   {"\nlog-file = [\"/x\"]\n", "cannot use log-file in /f.toml:2: want one value, found an array; correct the file"},
		"An array in a list":       {"listen = [[\"x\"]]\n", "cannot use listen in /f.toml:1: want a string, a number, true or false, found an array"},
		"A date":                   {"log-file = 2026-11-23\n", "cannot use log-file in /f.toml:1: want a string, a number, true or false, found a date or time"},
		"Far too deep":             {"max = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "cannot read /f.toml: more than 2000 dots"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSettings(plant(t, map[string]string{"f.toml": test.text}), "/f.toml", testKeys)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
		})
	}
}
