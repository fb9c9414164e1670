package test

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updateKilled: after runs that were killed at each kind of step in succession, the next
// one leaves everything in order, and no image is lost. The package's own test kills a
// run at every call; here it is a real process.
func updateKilled(l *lab) {
	const settle = "Label=io.eventsvc.autoupdate.settle=500ms\n"
	names := []string{"kill1", "kill2"}
	image := goodRegistry + "/kill:latest"
	l.push("kill", "good")
	works := l.version
	l.start(quadlet{name: "kill1", image: image, container: settle}, quadlet{name: "kill2", image: image, container: settle})
	rounds := []struct {
		kind    string
		steps   []string
		outcome autoupdate.Outcome // of the run that is not killed
	}{
		{"good", []string{"check", "pull", "restart", "watch", "restart", "done"}, autoupdate.Unchanged},
		{"exit", []string{"check", "restart", "tag-back", "roll-back", "watch", "done"}, autoupdate.Held},
		{"good", []string{"pull", "pull", "pull", "restart", "restart"}, autoupdate.Updated},
		{"exit", []string{"restart", "restart", "tag-back", "tag-back"}, autoupdate.RolledBack},
	}
	kills := 0
	for i := 0; kills < counts(12, 12); i++ {
		round := rounds[i%len(rounds)]
		l.push("kill", round.kind)
		for _, step := range round.steps {
			kills++
			l.killAt(fmt.Sprintf("killed%d", kills), step)
			if have := l.run("podman", "image", "ls", "--all", "--quiet", "--no-trunc"); !strings.Contains(have, l.imageOf(image)) {
				l.t.Errorf("after a kill at %s the name means an image that is not there", step)
			}
		}
		if round.kind == "good" {
			works = l.version
		}
		results, _ := l.update()
		for _, name := range names {
			l.want(results, name, round.outcome, works)
		}
		l.run("podman", "image", "prune", "--force")
		if state := l.run("cat", "/var/lib/eventsvc-updater/auto-update.json"); strings.Contains(state, `"Unfinished":{`) {
			l.t.Errorf("%s image: the state has something unfinished: %s", round.kind, state)
		}
	}
	l.t.Logf("%d kills", kills)
	l.clear(names...)
}

// imageOf returns the ID of the image that has the name.
func (l *lab) imageOf(name string) string {
	return strings.TrimSpace(l.run("podman", "image", "inspect", "--format", "{{.Id}}", name))
}

// killAt runs the updater as a unit, and kills it and all that it has started when
// it begins a step.
func (l *lab) killAt(unit, step string) {
	l.t.Helper()
	run := l.command(l.t.Context(), "systemd-run", "--quiet", "--collect", "--pipe", "--wait", "--unit="+unit,
		"/usr/libexec/eventsvc/eventsvc-updater", "--progress")
	steps, err := run.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		l.t.Fatal(err)
	}
	said, killed := "", false
	for lines := bufio.NewScanner(steps); lines.Scan(); {
		said += lines.Text() + "\n"
		if !killed && strings.HasPrefix(lines.Text(), step+" ") {
			killed = true
			if out, err := l.try("systemctl", "kill", "--signal=KILL", unit); err != nil && step != "done" { // then it may have ended
				l.t.Errorf("cannot kill the run at %s: %v, %s", step, err, out)
			}
		}
	}
	if err := run.Wait(); !killed || err == nil && step != "done" {
		l.t.Errorf("the run was not killed at %s: %v\n%s", step, err, said)
	}
}
