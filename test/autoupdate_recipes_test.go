package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updateRecipes runs the recipes of docs/auto-update.md as they are written there,
// with programs in the places of mail and curl that keep what they get.
func updateRecipes(l *lab) {
	text, err := os.ReadFile("../docs/auto-update.md")
	if err != nil {
		l.t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(text), "## Recipes")
	l.put("/usr/local/bin/mail", "#!/bin/sh\ncat >>/tmp/mail\n")
	l.put("/usr/local/bin/curl", "#!/bin/sh\ncat >>/tmp/hook\n")
	for i, name := range []string{"mail", "hook"} {
		block := strings.Split(recipes, "```sh\n")[i+1]
		block, _, _ = strings.Cut(block, "```")
		l.put("/opt/recipe-"+name, "#!/bin/sh\nexport PATH=/usr/local/bin:/usr/bin:/bin\n"+block)
		l.run("systemd-run", "--quiet", "--collect", "--unit=recipe-"+name, "/opt/recipe-"+name)
		defer l.run("systemctl", "stop", "recipe-"+name)
	}
	l.eventually("2", "sh", "-c", "varlinkctl --json=short call unix:/run/eventsvc/io.podman.events io.podman.events.GetStatus '{}' | "+
		"grep -o '\"subscribers\":[0-9]*' | cut -d: -f2")
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
	for _, name := range []string{"mail", "curl"} {
		_ = os.Remove(filepath.Join(l.root, "/usr/local/bin", name))
	}
}
