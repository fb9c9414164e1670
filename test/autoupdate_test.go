package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// TestAutoUpdate tests the cases of an update, on a booted machine with a real registry,
// Podman and Quadlet units.
func TestAutoUpdate(t *testing.T) {
	l := startLab(t)
	// Most of the time is spent waiting for images to fail, so the short form has only the first case.
	type step struct {
		name string
		test func(*lab)
	}
	steps := []step{
		{"Happy", updateHappy},
		{"Interfaces", updateOverInterfaces},
		{"BrokenImages", updateBroken},
		{"OneOfFourFails", updateOneOfFour},
		{"Dependants", updateDependants},
		{"BadRegistries", updateBadRegistries},
		{"NeverTouched", updateNeverTouched},
		{"ByHand", updateByHand},
		{"Killed", updateKilled},
		{"Names", updateNames},
		{"Recipes", updateRecipes},
		{"Pod", updatePod},
		{"Podman4", updatePodman4},
		{"OtherArchitecture", updateOtherArchitecture},
		{"Password", updateWithPassword},
		{"BadInput", updateBadInput},
		{"Rootless", updateRootless},
	}
	inCI := len(steps)
	// These take too long for each change, and the last one measures. Run them by hand, with EVENTSVC_LONG=2.
	steps = append(
		steps,
		step{"Muted", updateMuted},
		step{"Approved", updateApproved},
		step{"Meanwhile", updateMeanwhile},
		step{"Removed", updateRemoved},
		step{"SeenAlike", updateSeenAlike},
		step{"Options", updateOptions},
		step{"BesidePodman", updateBesidePodman},
		step{"Bench", updateBench},
	)
	for _, step := range steps[:min(counts(1, inCI), len(steps))] {
		t.Run(step.name, func(t *testing.T) {
			defer func(outer *testing.T) { l.t = outer }(l.t)
			l.t = t
			step.test(l)
		})
	}
}

// updateHappy: a new image is found, applied and verified, and each outcome is an
// event that every reader sees.
func updateHappy(l *lab) {
	l.push("app", "good")
	l.start(quadlet{name: "app", image: goodRegistry + "/app:latest", container: healthCheck})
	results, code := l.update()
	l.want(results, "app", autoupdate.Unchanged, l.version)
	l.wantCode(code, 0)

	old := l.version
	l.push("app", "good")
	results, code = l.update("--dry-run")
	l.want(results, "app", autoupdate.Pending, old)
	l.wantCode(code, 0)
	results, code = l.update()
	l.want(results, "app", autoupdate.Updated, l.version)
	l.wantCode(code, 0)

	ours := l.run("eventsvc", "events", "--stream=false", "--since", "1h", "--filter", "event=auto-update", "--filter", "container=app")
	if !strings.Contains(ours, "io.podman.autoupdate.result=updated") {
		l.t.Errorf("eventsvc events: %s", ours)
	}
	podmans := l.run("podman", "events", "--stream=false", "--since", "1h", "--filter", "event=auto-update")
	if n := strings.Count(podmans, "container auto-update"); n != 1 {
		l.t.Errorf("podman events shows %d outcomes, want 1:\n%s", n, podmans)
	}
	if n := strings.Count(podmans, "system auto-update"); n != 4 {
		l.t.Errorf("podman events shows %d begins and ends, want 4:\n%s", n, podmans)
	}
	l.clear("app")
}

// updateBroken: an image that does not work is rolled back, and is not tried again until
// another one is pushed.
func updateBroken(l *lab) {
	kinds := []struct{ name, image, container string }{
		{"atonce", "exit", ""},
		{"late", "late", ""},
		{"sick", "sick", healthCheck},
		{"notify", "sick", "Notify=healthy\n" + healthCheck},
	}
	versions := make(map[string]int)
	var units []quadlet
	var names []string
	for _, k := range kinds {
		l.push(k.name, "good")
		versions[k.name] = l.version
		names = append(names, k.name)
		units = append(units, quadlet{name: k.name, image: goodRegistry + "/" + k.name + ":latest", container: k.container})
	}
	l.start(units...)
	for _, k := range kinds {
		l.push(k.name, k.image)
	}
	results, code := l.update()
	l.wantCode(code, 3)
	invocations := make(map[string]string)
	for _, name := range names {
		l.want(results, name, autoupdate.RolledBack, versions[name])
		invocations[name] = l.property(name, "InvocationID")
	}
	results, code = l.update()
	l.wantCode(code, 0)
	for _, name := range names {
		l.want(results, name, autoupdate.Held, versions[name])
		if l.property(name, "InvocationID") != invocations[name] {
			l.t.Errorf("%s was restarted although its digest is held", name)
		}
		l.push(name, "good")
		versions[name] = l.version
	}
	results, code = l.update()
	l.wantCode(code, 0)
	for _, name := range names {
		l.want(results, name, autoupdate.Updated, versions[name])
	}
	l.clear(names...)
}

// updateOneOfFour: if one of several units with the same image fails, all are rolled
// back.
func updateOneOfFour(l *lab) {
	l.push("four", "good")
	old := l.version
	image := goodRegistry + "/four:latest"
	l.start(quadlet{name: "four1", image: image}, quadlet{name: "four2", image: image}, quadlet{name: "four3", image: image},
		quadlet{name: "four4", image: image, container: healthCheck})
	l.push("four", "sick")
	results, code := l.update()
	l.wantCode(code, 3)
	for i := range 4 {
		l.want(results, fmt.Sprintf("four%d", i+1), autoupdate.RolledBack, old)
	}
	l.push("four", "good")
	results, code = l.update()
	l.wantCode(code, 0)
	for i := range 4 {
		l.want(results, fmt.Sprintf("four%d", i+1), autoupdate.Updated, l.version)
	}
	l.clear("four1", "four2", "four3", "four4")
}

// updateDependants: units that require an updated unit run afterwards, even after a
// rollback.
func updateDependants(l *lab) {
	l.push("db", "good")
	l.push("web", "good")
	web := l.version
	l.start(quadlet{name: "db", image: goodRegistry + "/db:latest", container: healthCheck + "Notify=healthy\n"},
		quadlet{name: "web", image: goodRegistry + "/web:latest", unit: "Requires=db.service\nAfter=db.service\n"})
	l.push("db", "good")
	old := l.version
	results, code := l.update()
	l.want(results, "db", autoupdate.Updated, old)
	l.want(results, "web", autoupdate.Unchanged, web)
	l.wantCode(code, 0)
	l.push("db", "sick")
	results, code = l.update()
	l.want(results, "db", autoupdate.RolledBack, old)
	l.want(results, "web", autoupdate.Unchanged, web)
	l.wantCode(code, 3)
	l.clear("web", "db")
}

// proxy starts the proxy, which stops with the test.
func (l *lab) proxy(mode ...string) (stop func()) {
	l.t.Helper()
	l.proxies++
	unit := fmt.Sprintf("badregistry%d", l.proxies) // a name that is free: a unit goes some time after it was stopped
	l.run(append([]string{
		"systemd-run", "--quiet", "--unit=" + unit, "--collect", "/opt/badregistry", badRegistry,
		"http://" + goodRegistry,
	}, mode...)...)
	l.eventually("20", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://"+badRegistry+"/v2/")
	return func() { l.run("systemctl", "stop", unit) }
}

// updateBadRegistries: if a registry refuses, hangs, lies or is down, only its own
// containers are not updated.
func updateBadRegistries(l *lab) {
	l.push("here", "good")
	l.push("there", "good")
	there := l.version
	stop := l.proxy("delay", "0s")
	l.start(quadlet{name: "there", image: badRegistry + "/there:latest"}, quadlet{name: "here", image: goodRegistry + "/here:latest"})
	stop()
	l.push("there", "good")
	fresh := l.version
	for _, c := range []struct {
		mode    []string
		outcome autoupdate.Outcome
	}{
		{[]string{"429"}, autoupdate.Deferred},
		{[]string{"hang"}, autoupdate.Deferred},
		{[]string{"huge"}, autoupdate.Failed},
		{nil, autoupdate.Deferred}, // down
		{[]string{"429", "3600"}, autoupdate.Deferred},
		{[]string{"delay", "0s"}, autoupdate.Deferred}, // it had asked to be left alone
	} {
		if c.mode != nil {
			stop = l.proxy(c.mode...)
		}
		l.push("here", "good")
		start := time.Now()
		results, code := l.update()
		l.t.Logf("%v: %v, %s", c.mode, time.Since(start).Round(time.Millisecond), results["there"].Error)
		l.want(results, "there", c.outcome, there)
		l.want(results, "here", autoupdate.Updated, l.version)
		l.wantCode(code, 2)
		if c.mode != nil {
			stop()
		}
	}
	// A unit that is named is updated now.
	stop = l.proxy("delay", "0s")
	results, code := l.update("there")
	l.want(results, "there", autoupdate.Updated, fresh)
	l.wantCode(code, 0)
	stop()
	l.clear("here", "there")
}

// updateNeverTouched: a container without the label, with a pinned image or with an
// invalid label is not changed.
func updateNeverTouched(l *lab) {
	l.push("still", "good")
	image, old := goodRegistry+"/still:latest", l.version
	pinned := goodRegistry + "/still@" + strings.TrimSpace(l.sh("curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' "+
		"http://"+goodRegistry+"/v2/still/manifests/latest | tr -d '\\r' | sed -n 's/^Docker-Content-Digest: //p'"))
	l.start(
		quadlet{name: "plain", image: image, policy: "Label=x=y\n"},
		quadlet{name: "off", image: image, policy: "Label=io.containers.autoupdate=disabled\n"},
		quadlet{name: "wrong", image: image, policy: "Label=io.containers.autoupdate=sometimes\n"},
		quadlet{name: "pinned", image: pinned},
		quadlet{name: "look", image: image, container: "Label=io.eventsvc.autoupdate.mode=check\n"},
		quadlet{name: "mirror", image: "mirrored.test/still:latest"},
	)
	l.push("still", "good")
	results, code := l.update()
	l.wantCode(code, 2) // the wrong label
	for _, name := range []string{"plain", "off"} {
		if r, is := results[name]; is {
			l.t.Errorf("%s is %q, want nothing", name, r.Result)
		}
	}
	l.want(results, "wrong", autoupdate.Failed, old)
	l.want(results, "pinned", autoupdate.Held, old)
	l.want(results, "look", autoupdate.Pending, old)
	l.want(results, "mirror", autoupdate.Updated, l.version)
	l.clear("plain", "off", "wrong", "pinned", "look", "mirror")
}

// updateByHand: hold, release and rollback.
func updateByHand(l *lab) {
	l.push("hand", "good")
	image, old := goodRegistry+"/hand:latest", l.version
	l.start(quadlet{name: "hand", image: image})
	l.push("hand", "good")
	l.run("eventsvc", "auto-update", "hold", image)
	results, _ := l.update()
	l.want(results, "hand", autoupdate.Held, old)
	l.run("eventsvc", "auto-update", "release", image)
	results, _ = l.update()
	l.want(results, "hand", autoupdate.Updated, l.version)
	l.run("podman", "image", "prune", "-f")
	l.run("eventsvc", "auto-update", "rollback", "hand")
	if got := l.versionOf("hand"); got != fmt.Sprint(old) {
		l.t.Errorf("after the rollback it runs version %s, want %d", got, old)
	}
	results, _ = l.update()
	l.want(results, "hand", autoupdate.Held, old)
	l.clear("hand")
}
