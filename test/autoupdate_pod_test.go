package test

import (
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updatePod: the containers of a pod are restarted with its unit. One whose image is
// unchanged is reported as such, and an image that fails rolls back the whole pod.
func updatePod(l *lab) {
	for _, name := range []string{"infra", "left", "right"} {
		l.push(name, "good")
	}
	right, left := l.version, l.version-1
	// The pod has no cgroup, as the containers of this machine have none, and its first container needs no program of Podman's.
	l.put("/etc/containers/systemd/duo.pod", "[Pod]\nPodName=duo\nPodmanArgs=--share-parent=false --infra-image="+goodRegistry+"/infra:latest\n")
	for _, name := range []string{"left", "right"} {
		l.put("/etc/containers/systemd/"+name+".container", "[Container]\nPod=duo.pod\nImage="+goodRegistry+"/"+name+":latest\nContainerName="+name+
			"\nAutoUpdate=registry\nCgroupsMode=disabled\nLabel=io.eventsvc.autoupdate.settle=4s\n[Service]\nTimeoutStartSec=12\n")
	}
	l.run("systemctl", "daemon-reload")
	l.run("systemctl", "start", "duo-pod")
	l.eventually("right", "podman", "ps", "--format", "{{.Names}}")
	check := func(wantLeft, wantRight autoupdate.Outcome, wantCode int) {
		l.t.Helper()
		results, code := l.update()
		l.want(results, "left", wantLeft, left)
		l.want(results, "right", wantRight, right)
		l.wantCode(code, wantCode)
		for _, name := range []string{"left", "right"} {
			if u := results[name].Unit; u != "duo-pod.service" {
				l.t.Errorf("the unit of %s is %q", name, u)
			}
		}
		if states := l.run("systemctl", "is-active", "duo-pod", "left", "right"); strings.Count(states, "active\n") != 3 || strings.Contains(states, "in") {
			l.t.Errorf("the units are %q", states)
		}
	}
	check(autoupdate.Unchanged, autoupdate.Unchanged, 0)
	l.push("left", "good")
	left = l.version
	check(autoupdate.Updated, autoupdate.Unchanged, 0)
	l.push("right", "late")
	check(autoupdate.Unchanged, autoupdate.RolledBack, 3)
	check(autoupdate.Unchanged, autoupdate.Held, 0)
	l.push("left", "good")
	l.push("right", "good")
	left, right = l.version-1, l.version
	check(autoupdate.Updated, autoupdate.Updated, 0)
	// Podman's own auto-update changes one container and reports both.
	l.push("left", "good")
	contains(l.t, l.run("podman", "auto-update", "--format", "{{.ContainerName}} {{.Updated}}"), "left true", "right true")
	l.run("systemctl", "stop", "duo-pod")
	l.run("rm", "/etc/containers/systemd/duo.pod")
	l.clear("left", "right")
}
