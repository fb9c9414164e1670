package test

import (
	"fmt"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// runBeside starts a run and returns a function that waits for it.
func (l *lab) runBeside() (wait func() (map[string]autoupdate.Result, int)) {
	type outcome struct {
		results map[string]autoupdate.Result
		code    int
	}
	done := make(chan outcome, 1)
	go func() {
		results, code := l.update()
		done <- outcome{results, code}
	}()
	return func() (map[string]autoupdate.Result, int) {
		o := <-done
		return o.results, o.code
	}
}

// awaitVersion waits until a container runs the newest version.
func (l *lab) awaitVersion(name string, version int) {
	l.t.Helper()
	l.eventually("it runs", "sh", "-c", fmt.Sprintf("[ \"$(podman exec %s cat /version)\" = %d ] && echo it runs", name, version))
}

// updateRemoved: containers that are removed or stopped during a run have a result of
// their own, and the others are updated.
func updateRemoved(l *lab) {
	image := goodRegistry + "/removed:latest"
	fresh := func() (removed, bystander int) {
		l.push("removed", "good")
		l.push("bystander", "good")
		return l.version - 1, l.version
	}
	fresh()
	l.start(quadlet{name: "removed1", image: image}, quadlet{name: "removed2", image: image}, quadlet{name: "removed3", image: image},
		quadlet{name: "removed4", image: image}, quadlet{name: "bystander", image: goodRegistry + "/bystander:latest"})

	// Before its turn.
	removed, bystander := fresh()
	wait := l.runBeside()
	l.awaitVersion("removed1", removed)
	l.run("podman", "rm", "-f", "-t", "0", "removed2")
	l.run("systemctl", "stop", "removed3")
	results, code := wait()
	l.want(results, "removed1", autoupdate.Updated, removed)
	l.t.Logf("removed before its turn: %s, %s", results["removed2"].Result, results["removed2"].Error)
	if r := results["removed3"]; r.Result != autoupdate.Failed || !strings.Contains(r.Error, "was stopped meanwhile") {
		l.t.Errorf("the unit that was stopped: %s, %s", r.Result, r.Error)
	}
	if out, _ := l.try("systemctl", "is-active", "removed3"); strings.TrimSpace(out) != "inactive" {
		l.t.Errorf("the unit that was stopped is %s", out)
	}
	l.want(results, "removed4", autoupdate.Updated, removed)
	l.want(results, "bystander", autoupdate.Updated, bystander)
	l.wantCode(code, 2)

	// While it is watched.
	l.run("systemctl", "start", "removed2", "removed3")
	old := removed
	removed, bystander = fresh()
	wait = l.runBeside()
	l.awaitVersion("removed1", removed)
	l.run("podman", "rm", "-f", "-t", "0", "removed1")
	results, code = wait()
	l.want(results, "removed1", autoupdate.RolledBack, old)
	contains(l.t, results["removed1"].Error, "container removed1 ended")
	l.want(results, "removed2", autoupdate.Held, old)
	l.want(results, "bystander", autoupdate.Updated, bystander)
	l.wantCode(code, 3)
	l.clear("removed1", "removed2", "removed3", "removed4", "bystander")
}

// updateMeanwhile: changes of units and containers during a run, and runs at the same
// time, do not affect other containers.
func updateMeanwhile(l *lab) {
	image := goodRegistry + "/while:latest"
	l.push("other", "good")
	other := l.version
	l.push("while", "good")
	l.start(quadlet{name: "while1", image: image}, quadlet{name: "while2", image: image}, quadlet{name: "while3", image: image})
	l.push("while", "good")
	// The second unit gets another image while the first is watched, and a second run begins.
	wait := l.runBeside()
	l.awaitVersion("while1", l.version)
	l.put("/etc/containers/systemd/while2.container", "[Container]\nImage="+goodRegistry+"/other:latest\nContainerName=while2\n"+
		"AutoUpdate=registry\nNetwork=host\nCgroupsMode=disabled\nLabel=io.eventsvc.autoupdate.settle=4s\n")
	l.run("systemctl", "daemon-reload")
	if out, err := l.try("eventsvc", "auto-update", "--lock-timeout", "10ms"); err == nil || !strings.Contains(out, "another auto-update is running") {
		l.t.Errorf("beside a run: %v, %s", err, out)
	}
	results, code := wait()
	l.want(results, "while1", autoupdate.Updated, l.version)
	l.want(results, "while2", autoupdate.Failed, other)
	l.want(results, "while3", autoupdate.Updated, l.version)
	contains(l.t, results["while2"].Error, "it was changed meanwhile")
	l.wantCode(code, 2)

	// No space for the image: the check of the disk considers only the storage.
	l.push("while", "good")
	l.sh("mkdir -p /run/small; mount -t tmpfs -o size=64k small /run/small")
	l.t.Cleanup(func() { _, _ = l.try("umount", "/run/small") })
	start := time.Now()
	out, err := l.try("env", "TMPDIR=/run/small", "eventsvc", "auto-update", "--format", "{{.ContainerName}} {{.Result}} {{.Error}}")
	l.t.Logf("a pull without room: %v, %v\n%s", time.Since(start), err, out)
	contains(l.t, out, "no space left on device", "while2 unchanged")
	results, code = l.update()
	l.want(results, "while1", autoupdate.Updated, l.version)
	l.want(results, "while3", autoupdate.Updated, l.version)
	l.wantCode(code, 0)
	l.clear("while1", "while2", "while3")
}
