package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updateSeenAlike: the event of an outcome is the same over Varlink, over D-Bus and
// in podman events, on a log file and in the journal.
func updateSeenAlike(l *lab) {
	const conf = "/etc/containers/containers.conf.d/zz-logger.conf"
	l.push("seen", "good")
	l.start(quadlet{name: "seen", image: goodRegistry + "/seen:latest"})
	for _, logger := range []string{"file", "journald"} {
		l.put(conf, "[engine]\nevents_logger = \""+logger+"\"\n")
		l.run("systemctl", "restart", "eventsvc.service")
		l.push("seen", "good")
		results, code := l.update()
		l.want(results, "seen", autoupdate.Updated, l.version)
		l.wantCode(code, 0)
		overVarlink := l.run("varlinkctl", "--json=short", "call", "unix:/run/eventsvc/io.podman.events", "io.podman.events.GetLastEvent",
			`{"filters":["event=auto-update","container=seen"]}`)
		var reply struct {
			Event struct{ Attributes map[string]string }
		}
		if err := json.Unmarshal([]byte(overVarlink), &reply); err != nil || len(reply.Event.Attributes) < 7 {
			l.t.Errorf("%s, over Varlink: %v\n%s", logger, err, overVarlink)
		}
		overBus := l.sh("busctl call io.podman.Events1 /io/podman/Events1 io.podman.Events1 GetLastEvent as 2 event=auto-update container=seen")
		podmans := strings.Split(strings.TrimSpace(l.run("podman", "events", "--stream=false", "--since", "1h", "--filter", "event=auto-update",
			"--filter", "container=seen", "--format", "json")), "\n")
		var last struct{ Attributes map[string]string }
		if err := json.Unmarshal([]byte(podmans[len(podmans)-1]), &last); err != nil {
			l.t.Errorf("%s, podman events: %v\n%s", logger, err, podmans[len(podmans)-1])
		}
		for name, value := range reply.Event.Attributes {
			if last.Attributes[name] != value || !strings.Contains(overBus, fmt.Sprintf("%q %q", name, value)) {
				l.t.Errorf("%s: %s is %q over Varlink, %q in podman events; over D-Bus:\n%s", logger, name, value, last.Attributes[name], overBus)
			}
		}
		for name, want := range map[string]string{"result": "updated", "to": results["seen"].To, "from": results["seen"].From, "job": "seen.service"} {
			if got := reply.Event.Attributes["io.podman.autoupdate."+name]; got != want {
				l.t.Errorf("%s: %s is %q, want %q", logger, name, got, want)
			}
		}
	}
	l.run("rm", conf)
	l.run("systemctl", "restart", "eventsvc.service")
	l.clear("seen")
}

// updateRootless: a user's own containers, with the manager of that user.
func updateRootless(l *lab) {
	bob := l.addUser("bob", 1500)
	l.push("mine", "good")
	l.put("/home/bob/.config/containers/systemd/mine.container", "[Container]\nImage="+goodRegistry+"/mine:latest\nContainerName=mine\n"+
		"AutoUpdate=registry\nNetwork=host\nCgroupsMode=disabled\nLabel=io.eventsvc.autoupdate.settle=4s\n")
	l.run("chown", "-R", "bob:bob", "/home/bob")
	l.run("systemctl", "start", "user@1500.service")
	bob.run("systemctl", "--user", "daemon-reload")
	bob.run("systemctl", "--user", "start", "mine")
	runs := func() string { return strings.TrimSpace(bob.run("podman", "exec", "mine", "cat", "/version")) }
	update := func(want autoupdate.Outcome, wantCode int) {
		l.t.Helper()
		out, err := l.command(l.t.Context(), bob.args([]string{"eventsvc", "auto-update", "--format", "json"})...).Output()
		l.note([]string{"auto-update as bob"}, out, err)
		code := 0
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			code = ended.ExitCode()
			l.note([]string{"stderr"}, ended.Stderr, nil)
		}
		var all []autoupdate.Result
		if err := json.Unmarshal(out, &all); err != nil || len(all) != 1 || all[0].Result != want || code != wantCode {
			l.t.Errorf("want %s and exit code %d, have %d, %v, %s", want, wantCode, code, err, out)
		}
	}
	update(autoupdate.Unchanged, 0)
	l.push("mine", "good")
	update(autoupdate.Updated, 0)
	if got := runs(); got != fmt.Sprint(l.version) {
		l.t.Errorf("it runs version %s, want %d", got, l.version)
	}
	old := l.version
	l.push("mine", "late")
	update(autoupdate.RolledBack, 3)
	if got := runs(); got != fmt.Sprint(old) {
		l.t.Errorf("it runs version %s, want %d", got, old)
	}
	bob.run("systemctl", "--user", "stop", "mine")
	l.run("systemctl", "stop", "user@1500.service")
}
