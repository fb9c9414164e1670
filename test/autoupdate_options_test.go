package test

import (
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updateOptions: a run that only pulls, one that does not roll back, and one while
// Podman's own timer is enabled.
func updateOptions(l *lab) {
	l.push("options", "good")
	image, old := goodRegistry+"/options:latest", l.version
	l.start(quadlet{name: "options", image: image})
	running := l.imageOf(image)
	l.push("options", "good")
	results, code := l.update("--pull-only")
	l.want(results, "options", autoupdate.Pending, old)
	l.wantCode(code, 0)
	if l.imageOf(image) == running {
		l.t.Error("nothing was pulled")
	}
	results, code = l.update()
	l.want(results, "options", autoupdate.Updated, l.version)
	l.wantCode(code, 0)

	l.run("systemctl", "enable", "podman-auto-update.timer")
	out, err := l.try("eventsvc", "auto-update")
	if err == nil || !strings.Contains(out, "podman-auto-update.timer is enabled") {
		l.t.Errorf("beside Podman's timer: %v, %s", err, out)
	}
	results, code = l.update("--beside-podman")
	l.want(results, "options", autoupdate.Unchanged, l.version)
	l.wantCode(code, 0)
	l.run("systemctl", "disable", "podman-auto-update.timer")

	l.push("options", "late")
	results, code = l.update("--rollback=false")
	if r := results["options"]; r.Result != autoupdate.Failed || !r.Down {
		l.t.Errorf("without a rollback it is %s, down %v: %s", r.Result, r.Down, r.Error)
	}
	l.wantCode(code, 4)
	l.clear("options")
}
