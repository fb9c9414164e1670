package test

import (
	"fmt"
	"strings"
	"time"

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
	// Podman itself makes no container of policy registry from a name that could mean several images.
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
	// What was built here is what a container of policy local gets.
	l.run("podman", "tag", goodRegistry+"/names:latest", "localhost/names:latest")
	results, _ = l.update("local")
	l.want(results, "local", autoupdate.Updated, l.version)
	l.clear("shorthand", "byid", "local", "closed", "never", "open")
}

// updateMeanwhile: what is done to units and containers by others during a run, and
// runs at the same time, cost others nothing.
func updateMeanwhile(l *lab) {
	image := goodRegistry + "/while:latest"
	l.push("other", "good")
	other := l.version
	l.push("while", "good")
	l.start(quadlet{name: "while1", image: image}, quadlet{name: "while2", image: image}, quadlet{name: "while3", image: image})
	l.push("while", "good")
	// The second unit gets another image while the first is watched, and a second run begins.
	type outcome struct {
		results map[string]autoupdate.Result
		code    int
	}
	done := make(chan outcome)
	go func() {
		results, code := l.update()
		done <- outcome{results, code}
	}()
	l.eventually("1", "sh", "-c", "podman exec while1 cat /version | grep -c "+fmt.Sprint(l.version)+" || :")
	l.put("/etc/containers/systemd/while2.container", "[Container]\nImage="+goodRegistry+"/other:latest\nContainerName=while2\n"+
		"AutoUpdate=registry\nNetwork=host\nCgroupsMode=disabled\nLabel=io.eventsvc.autoupdate.settle=4s\n")
	l.run("systemctl", "daemon-reload")
	if out, err := l.try("eventsvc", "auto-update", "--lock-timeout", "10ms"); err == nil || !strings.Contains(out, "another auto-update is running") {
		l.t.Errorf("beside a run: %v, %s", err, out)
	}
	first := <-done
	l.want(first.results, "while1", autoupdate.Updated, l.version)
	l.want(first.results, "while2", autoupdate.Failed, other)
	l.want(first.results, "while3", autoupdate.Updated, l.version)
	contains(l.t, first.results["while2"].Error, "it was changed meanwhile")
	l.wantCode(first.code, 2)

	// No room for what is pulled: the check of the disk looks at the storage only.
	l.push("while", "good")
	l.sh("mkdir -p /run/small; mount -t tmpfs -o size=64k small /run/small")
	l.t.Cleanup(func() { _, _ = l.try("umount", "/run/small") })
	start := time.Now()
	out, err := l.try("env", "TMPDIR=/run/small", "eventsvc", "auto-update", "--format", "{{.ContainerName}} {{.Result}} {{.Error}}")
	l.t.Logf("a pull without room: %v, %v\n%s", time.Since(start), err, out)
	contains(l.t, out, "no space left on device", "while2 unchanged")
	results, code := l.update()
	l.want(results, "while1", autoupdate.Updated, l.version)
	l.want(results, "while3", autoupdate.Updated, l.version)
	l.wantCode(code, 0)
	l.clear("while1", "while2", "while3")
}
