package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// putHooks writes files of hooks, and keeps their cursors beside them.
func putHooks(t *testing.T, r *rig, files map[string]string) (dir string) {
	t.Helper()
	dir = filepath.Join(r.dir, "hooks.d")
	state := filepath.Join(r.dir, "state")
	for _, d := range []string{dir, state} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STATE_DIRECTORY", state)
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	return dir
}

// TestHooks_badFile: a file that cannot be used is named with its line, and the other hook
// runs; what came while no hooks ran gets its run afterwards, and nothing gets two.
func TestHooks_badFile(t *testing.T) {
	r := newRig(t, "")
	out := filepath.Join(r.dir, "out")
	dir := putHooks(t, r, map[string]string{
		"bad.toml":   "# a hook\nfilter = \"type=container\"\ncomand = [\"true\"]\n",
		"empty.toml": "",
		"good.toml":  `command = ["sh", "-c", 'echo "$EVENTSVC_NAME" >>` + out + "']\n",
	})
	hooks := r.begin("exec", "--hooks-dir", dir)
	hooks.errs.expect(t, "eventsvc: cannot use comand in "+dir+"/bad.toml:3: there is no such key; did you mean \"command\"?")
	r.waitForSubscriber()
	r.write("a")
	cursor := filepath.Join(r.dir, "state/good.cursor")
	done := func(want string) func() bool {
		return func() bool { text, _ := os.ReadFile(out); return string(text) == want }
	}
	eventually(t, "run for a", done("a\n"))
	eventually(t, "cursor", func() bool { text, _ := os.ReadFile(cursor); return len(text) > 0 })
	checkCode(t, hooks.end(t), exitOK)
	r.write("b")
	hooks = r.begin("exec", "--hooks-dir", dir)
	eventually(t, "run for b", done("a\nb\n"))
	_, stderr, code := r.run("exec", "--hooks-dir", dir)
	checkCode(t, code, exitError)
	if !strings.Contains(stderr, "another process runs them") {
		t.Errorf("a second process for the same hooks: %s", stderr)
	}
	checkCode(t, hooks.end(t), exitOK)
	check(t, "what was done", readFile(t, out), "a\nb\n")
}

func TestHooks_checkConfig(t *testing.T) {
	r := newRig(t, "")
	for name, test := range map[string]struct{ text, want string }{
		"no command":     {`filter = "type=image"`, "hook.toml: it needs either a command or a unit"},
		"both":           {"command = [\"true\"]\nunit = \"a.service\"", "it needs either a command or a unit"},
		"no program":     {"\ncommand = [\"/nowhere/at-all\"]", "(command is set in DIR/hook.toml:2)"},
		"no such filter": {"command = [\"true\"]\nfilter = [\"tipe=image\"]", "(filter is set in DIR/hook.toml:2)"},
		"no filter":      {"command = [\"true\"]\nfilter = []", "cannot use filter in DIR/hook.toml:2: the list is empty, which would mean all events"},
		"empty filter":   {"command = [\"true\"]\nfilter = [\"\"]", "DIR/hook.toml:2: its value is empty"},
		"no such action": {"command = [\"true\"]\non-failure = \"stop\"", "(on-failure is set in DIR/hook.toml:2)"},
		"no TOML":        {"command = [\"true\"]\nfilter", "DIR/hook.toml:2"},
		"no time":        {"command = [\"true\"]\ndebounce = \"soon\"", "DIR/hook.toml:2"},
		"too long":       {"command = [\"true\"]\ndebounce = \"2h\"", "it must be at most 1h0m0s"},
		"no unit":        {`unit = "backup"`, "give its full name"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := putHooks(t, r, map[string]string{"hook.toml": test.text, "other.toml": `unit = "other@.service"`})
			stdout, stderr, code := r.run("exec", "--hooks-dir", dir, "--check-config")
			checkCode(t, code, exitError)
			check(t, "stdout", stdout, "other: starts other@.service for [] ("+dir+"/other.toml)\n")
			for _, want := range []string{strings.ReplaceAll(test.want, "DIR", dir), "cannot use 1 of 2 hooks"} {
				if !strings.Contains(stderr, want) {
					t.Errorf("stderr does not say %q: %s", want, stderr)
				}
			}
		})
	}
}

// TestHooks_debounce: of several events of an object the first gets its run at once, and the
// last when the time has passed; another object has a time of its own.
func TestHooks_debounce(t *testing.T) {
	r := newRig(t, "")
	out := filepath.Join(r.dir, "out")
	dir := putHooks(t, r, map[string]string{
		"h.toml": `debounce = "1s"` + "\n" + `command = ["sh", "-c", 'echo "$EVENTSVC_NAME" "$EVENTSVC_CURSOR" >>` + out + "']\n",
	})
	hooks := r.begin("exec", "--hooks-dir", dir)
	r.waitForSubscriber()
	r.write("a", "a", "a", "b", "a")
	c := r.client()
	last, err := c.GetLastEvent(t.Context(), "name=a")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "run for the last", func() bool {
		text, _ := os.ReadFile(out)
		return strings.HasSuffix(string(text), "a "+last.Cursor+"\n")
	})
	checkCode(t, hooks.end(t), exitOK)
	lines := strings.Fields(readFile(t, out))
	if len(lines) < 6 || lines[0] != "a" || !strings.Contains(readFile(t, out), "b ") || lines[1] == last.Cursor {
		t.Errorf("what was done: %q", lines)
	}
}

// TestHooks_timeout: a command that hangs is ended together with its children, and the
// hook continues.
func TestHooks_timeout(t *testing.T) {
	r := newRig(t, "")
	out := filepath.Join(r.dir, "out")
	dir := putHooks(t, r, map[string]string{
		"h.toml": `timeout = "200ms"` + "\n" + `command = ["sh", "-c", '[ "$EVENTSVC_NAME" = b ] || sleep 1000; echo "$EVENTSVC_NAME" >>` + out + "']\n",
	})
	hooks := r.begin("exec", "--hooks-dir", dir)
	r.waitForSubscriber()
	r.write("a", "b")
	hooks.errs.expect(t, "eventsvc: hook h: the command sh did not end within 200ms, for volume create a")
	eventually(t, "run for b", func() bool { text, _ := os.ReadFile(out); return string(text) == "b\n" })
	checkCode(t, hooks.end(t), exitOK)
}

func TestWebhook(t *testing.T) {
	const event = `{"Name":"web","Status":"died","Type":"container","Timestamp":"2026-11-26T10:00:00.5Z","Host":"h1","Cursor":"c1"}`
	var calls atomic.Int32
	var body, kind, token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case r.URL.Path == "/never":
			w.WriteHeader(http.StatusForbidden)
		case calls.Add(1) == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			text, _ := io.ReadAll(r.Body)
			body, kind, token = string(text), r.Header.Get("Content-Type"), r.Header.Get("Authorization")
		}
	}))
	defer server.Close()
	headers := filepath.Join(t.TempDir(), "headers")
	writeFile(t, headers, "Authorization: Bearer x\n")
	send := func(arguments ...string) (string, int) {
		var errs strings.Builder
		code := Run(t.Context(), append([]string{"eventsvc", "webhook"}, arguments...), strings.NewReader(event), io.Discard, &errs)
		return errs.String(), code
	}
	stderr, code := send("--header-file", headers, server.URL+"/hook")
	checkCode(t, code, exitOK)
	check(t, "what is sent", body, `{"specversion":"1.0","id":"c1","source":"/hosts/h1/podman","type":"io.podman.container.died","subject":"web",`+
		`"time":"2026-11-26T10:00:00.5Z","datacontenttype":"application/json","data":`+event+`}`)
	check(t, "its type", kind, "application/cloudevents+json; charset=utf-8")
	check(t, "its token", token, "Bearer x")
	if !strings.Contains(stderr, "it replied 503 Service Unavailable; trying again in 1s") {
		t.Errorf("stderr: %s", stderr)
	}
	stderr, code = send(server.URL + "/moved")
	checkCode(t, code, exitError)
	if !strings.Contains(stderr, "302 Found, to /elsewhere") {
		t.Errorf("stderr: %s", stderr)
	}
	stderr, code = send(server.URL + "/never?secret=1")
	checkCode(t, code, exitError)
	if strings.Contains(stderr, "trying again") || strings.Contains(stderr, "secret") {
		t.Errorf("stderr: %s", stderr)
	}
}
