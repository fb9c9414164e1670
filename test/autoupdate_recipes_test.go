package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// recipe returns a block of code of docs/auto-update.md, unchanged: the one after the
// line that begins with the given words.
func (l *lab) recipe(begin string) string {
	l.t.Helper()
	text, err := os.ReadFile("../docs/auto-update.md")
	if err != nil {
		l.t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(text), "## Recipes")
	_, rest, found := strings.Cut(recipes, "\n"+begin)
	_, block, is := strings.Cut(rest, "```sh\n")
	block, _, _ = strings.Cut(block, "```")
	if !found || !is {
		l.t.Fatalf("docs/auto-update.md has no recipe %q", begin)
	}
	return block
}

// follow starts a recipe that keeps running, with a program instead of mail or curl that
// records what it gets, and returns when the recipe is subscribed.
func (l *lab) follow(name, begin, program, keep string) {
	l.t.Helper()
	l.put("/usr/local/bin/"+program, "#!/bin/sh\n"+keep)
	l.put("/opt/recipe-"+name, "#!/bin/sh\nexport PATH=/usr/local/bin:/usr/bin:/bin\n"+l.recipe(begin))
	before := l.subscribers()
	l.run("systemd-run", "--quiet", "--collect", "--unit=recipe-"+name, "/opt/recipe-"+name)
	l.eventually(fmt.Sprint(before+1), "sh", "-c", countSubscribers)
	l.t.Cleanup(func() {
		_, _ = l.try("systemctl", "stop", "recipe-"+name)
		_ = os.Remove(filepath.Join(l.root, "/usr/local/bin", program))
	})
}

const countSubscribers = "varlinkctl --json=short call unix:/run/eventsvc/io.podman.events io.podman.events.GetStatus '{}' | " +
	"grep -o '\"subscribers\":[0-9]*' | cut -d: -f2"

func (l *lab) subscribers() int {
	l.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(l.sh(countSubscribers)))
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// updateRecipes runs the recipes of docs/auto-update.md that report outcomes.
func updateRecipes(l *lab) {
	l.follow("mail", "To send mail if an update was rolled back", "mail", "cat >>/tmp/mail\n")
	l.follow("hook", "A webhook for every outcome", "curl", "cat >>/tmp/hook\n")
	l.push("recipe", "good")
	l.start(quadlet{name: "recipe", image: goodRegistry + "/recipe:latest", container: healthCheck})
	old := l.version
	l.push("recipe", "exit")
	results, code := l.update()
	l.want(results, "recipe", autoupdate.RolledBack, old)
	l.wantCode(code, 3)
	contains(l.t, l.eventually("recipe.service", "cat", "/tmp/mail"), "rolled-back")
	hook := l.eventually("rolled-back", "cat", "/tmp/hook")
	var event struct{ Attributes map[string]string }
	if err := json.Unmarshal([]byte(strings.TrimSpace(hook)), &event); err != nil {
		l.t.Errorf("the webhook got %v: %s", err, hook)
	}
	l.clear("recipe")
}

// updateMuted: with the recipe, a container that exits because a run restarts it raises
// no alarm, and every other exit does.
func updateMuted(l *lab) {
	l.follow("muted", "An alarm for each container that exits", "mail", "echo \"$2\" >>/tmp/alarms\n")
	l.push("muted", "good")
	image := goodRegistry + "/muted:latest"
	l.start(quadlet{name: "muted", image: image})
	alarm := func(name string) {
		_, _ = l.try("podman", "run", "--rm", "--name", name, "--network=host", "--cgroups=disabled", image, "/bin/sh", "-c", "exit 3")
		l.eventually(name, "cat", "/tmp/alarms")
	}
	alarm("before")
	for kind, want := range map[string]autoupdate.Outcome{"good": autoupdate.Updated, "late": autoupdate.RolledBack} {
		l.push("muted", kind)
		results, _ := l.update()
		if got := results["muted"].Result; got != want {
			l.t.Errorf("%s image: %s, want %s", kind, got, want)
		}
	}
	died := l.run("eventsvc", "events", "--stream=false", "--since=1h", "--filter=event=died", "--filter=container=muted", "--format={{.Name}}")
	if strings.Count(died, "muted") < 2 {
		l.t.Errorf("the runs ended no container: %q", died)
	}
	alarm("after")
	if alarms := l.run("cat", "/tmp/alarms"); strings.Contains(alarms, "muted") {
		l.t.Errorf("the runs raised alarms: %s", alarms)
	}
	l.clear("muted")
}

// updateApproved: a container that is held back gets its new image when the commands of
// the recipe approve it.
func updateApproved(l *lab) {
	l.put("/etc/containers/registries.conf.d/example.conf",
		"[[registry]]\nprefix = \"registry.example\"\nlocation = \""+goodRegistry+"\"\ninsecure = true\n")
	l.push("web", "good")
	old := l.version
	for _, way := range []struct {
		name, recipe, container string
		waits                   autoupdate.Outcome
	}{
		{"label", "Approve by hand, with a label", "Label=io.eventsvc.autoupdate.mode=check\n", autoupdate.Pending},
		{"hold", "Approve by hand, without touching the unit", "", autoupdate.Held},
	} {
		l.start(quadlet{name: "web", image: "registry.example/web:latest", container: way.container})
		before, approve, _ := strings.Cut(l.recipe(way.recipe), "\n\n")
		l.sh(before)
		l.push("web", "good")
		results, code := l.update()
		l.want(results, "web", way.waits, old)
		l.wantCode(code, 0)
		contains(l.t, l.sh(before), string(way.waits))
		out := l.sh("set -e\n" + approve)
		contains(l.t, out, "updated")
		old = l.version
		if got := l.versionOf("web"); got != fmt.Sprint(old) {
			l.t.Errorf("by %s: after approval it runs version %q, want %d", way.name, got, old)
		}
		l.push("web", "good")
		results, _ = l.update()
		l.want(results, "web", way.waits, old)
		_, _ = l.try("eventsvc", "auto-update", "release", "registry.example/web:latest")
		l.clear("web")
	}
}
