package cli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	for _, test := range []struct {
		name  string
		words []string
		has   []string
		hasNo []string
		nope  bool // no blank after the word
	}{
		{"Commands", []string{""}, []string{"events", "serve", "write", "state", "status", "wait", "exec", "bridge", "demo", "version", "completion"}, nil, false},
		{"Keys of filters", []string{"events", "--filter", ""}, []string{"type=", "event=", "label=", "volume="}, nil, true},
		{"Keys of filters by their beginning", []string{"events", "--filter", "vo"}, []string{"volume="}, []string{"type="}, true},
		{"Types", []string{"events", "--filter", "type="}, []string{"type=container", "type=pod"}, nil, true},
		{"Types that are not wanted", []string{"events", "-f", "type!=c"}, []string{"type!=container"}, []string{"type!=pod"}, true},
		{"Statuses", []string{"events", "-f", "event=c"}, []string{"event=create", "event=cleanup"}, []string{"event=start"}, true},
		{"Unknown values", []string{"events", "-f", "label="}, nil, nil, true},
		{"Formats", []string{"events", "--format", ""}, []string{"json"}, nil, true},
		{"Types to write", []string{"write", "--type", ""}, []string{"container", "volume"}, nil, false},
		{"Statuses to write", []string{"write", "--status", "auto"}, []string{"auto-update"}, []string{"create"}, false},
		{"Backends", []string{"serve", "--backend", ""}, []string{"auto", "file", "journald", "none"}, nil, false},
		{"Log levels", []string{"serve", "--log-level", ""}, []string{"debug", "info", "warn", "error"}, nil, false},
		{"Keys of filters for a state", []string{"state", "-f", "con"}, []string{"container="}, []string{"type="}, true},
		{"Keys of filters to wait for", []string{"wait", "-f", "con"}, []string{"container="}, []string{"type="}, true},
		{"Answers to a failure", []string{"exec", "--on-failure", ""}, []string{"continue", "stop", "retry"}, nil, false},
		{"Answers to an expired cursor", []string{"events", "--if-expired", ""}, []string{"stop", "oldest"}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			stdout, _, code := runIn(t.Context(), append([]string{"__complete"}, test.words...)...)
			checkCode(t, code, exitOK)
			lines := strings.Split(stdout, "\n")
			var words []string
			for _, line := range lines {
				word, _, _ := strings.Cut(line, "\t")
				words = append(words, word)
			}
			for _, want := range test.has {
				if !slices.Contains(words, want) {
					t.Errorf("%q is not offered: %q", want, words)
				}
			}
			for _, unwanted := range test.hasNo {
				if slices.Contains(words, unwanted) {
					t.Errorf("%q is offered: %q", unwanted, words)
				}
			}
			want := ":4" // no files
			if test.nope {
				want = ":6" // and no blank after the word
			}
			if !slices.Contains(lines, want) {
				t.Errorf("the directive is not %s: %q", want, lines)
			}
		})
	}
}

func TestCompletion_scripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		stdout, _, code := runIn(t.Context(), "completion", shell)
		checkCode(t, code, exitOK)
		if !strings.Contains(stdout, "eventsvc") {
			t.Errorf("the script for %s does not know eventsvc", shell)
		}
	}
}

// Names come from the log. Without a service there are none, and no message.
func TestCompletion_names(t *testing.T) {
	dir := host(t, "")
	address := "unix:" + filepath.Join(dir, "s")
	complete := func(words ...string) string {
		t.Helper()
		stdout, _, code := runIn(t.Context(), append([]string{"__complete"}, words...)...)
		checkCode(t, code, exitOK)
		return stdout
	}
	if got := complete("events", "--address", address, "--filter", "container="); got != ":6\n" {
		t.Errorf("without a service: %q", got)
	}
	begin(t, "serve", "--log-file", filepath.Join(dir, "log"), "--listen", address).errs.expect(t, "listening on")
	for _, event := range [][]string{
		{"container", "create", "web"},
		{"container", "create", "web"},
		{"container", "create", "web-db"},
		{"container", "remove", "web"},
		{"container", "create", "proxy"},
		{"volume", "create", "webdata"},
		{"image", "pull", "registry.example/web:1"},
	} {
		_, stderr, code := runIn(t.Context(), "write", "--address", address, "--type", event[0], "--status", event[1], "--name", event[2])
		if code != exitOK {
			t.Fatal(stderr)
		}
	}
	for typed, want := range map[string]string{
		"container=":    "container=proxy\ncontainer=web\ncontainer=web-db\n:6\n",
		"container!=we": "container!=web\ncontainer!=web-db\n:6\n",
		"volume=w":      "volume=webdata\n:6\n",
		"image=reg":     "image=registry.example/web:1\n:6\n",
		"container=*":   ":6\n",
	} {
		for _, command := range []string{"events", "wait", "state"} {
			if got := complete(command, "--address", address, "-f", typed); got != want {
				t.Errorf("%s -f %s: %q, want %q", command, typed, got, want)
			}
		}
	}
}
