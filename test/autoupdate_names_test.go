package test

import (
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updateNames: images by the kinds of names that units use.
func updateNames(l *lab) {
	l.put("/etc/containers/registries.conf.d/names.conf", "unqualified-search-registries = [\""+goodRegistry+"\"]\n"+
		"[[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \""+goodRegistry+"\"\ninsecure = true\n")
	official := func() {
		l.push("names", "good")
		l.run("podman", "pull", "-q", goodRegistry+"/names:latest")
		l.run("podman", "push", "-q", goodRegistry+"/names:latest", "docker://"+goodRegistry+"/library/names:latest")
	}
	official()
	old := l.version
	l.run("podman", "tag", goodRegistry+"/names:latest", "localhost/names:latest")
	id := l.imageOf("localhost/names:latest")
	// Podman itself refuses to create a container of policy registry from a name that could mean several images.
	for _, name := range []string{"names:latest", id} {
		if out, err := l.try("podman", "create", "--label", "io.containers.autoupdate=registry", name); err == nil ||
			!strings.Contains(out, "fully-qualified") && !strings.Contains(out, "auto update") {
			l.t.Errorf("podman create %s: %v, %s", name, err, out)
		}
	}
	l.start(
		quadlet{name: "shorthand", image: "docker.io/names"},
		quadlet{name: "byid", image: id, policy: "AutoUpdate=local\n"},
		quadlet{name: "local", image: "localhost/names:latest", policy: "AutoUpdate=local\n"},
		quadlet{name: "closed", image: goodRegistry + "/names:latest", container: "Label=io.eventsvc.autoupdate.window=1999-01-01\n"},
		quadlet{name: "never", image: goodRegistry + "/names:latest", container: "Label=io.eventsvc.autoupdate.window=sometimes\n"},
		quadlet{name: "open", image: goodRegistry + "/names:latest", container: "Label=\"io.eventsvc.autoupdate.window=*-*-* *:*\"\n"},
	)
	official()
	results, code := l.update()
	l.want(results, "local", autoupdate.Unchanged, old)
	for _, name := range []string{"shorthand", "open"} {
		l.want(results, name, autoupdate.Updated, l.version)
	}
	l.want(results, "byid", autoupdate.Unchanged, old)
	l.want(results, "closed", autoupdate.Pending, old)
	l.want(results, "never", autoupdate.Failed, old)
	contains(l.t, results["never"].Error, "must be a calendar event")
	l.wantCode(code, 2)
	// A container of policy local gets the image that was built here.
	l.run("podman", "tag", goodRegistry+"/names:latest", "localhost/names:latest")
	results, _ = l.update("local")
	l.want(results, "local", autoupdate.Updated, l.version)
	l.clear("shorthand", "byid", "local", "closed", "never", "open")
}
