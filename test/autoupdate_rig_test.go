package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// The registries of the machine: the real one, and a proxy before it that a test
// lets misbehave.
const (
	goodRegistry = "127.0.0.1:5000"
	badRegistry  = "127.0.0.1:5001"
)

// imageScript builds and pushes an image: NAME VERSION KIND. Its container runs
// (good), exits at once (exit) or after three seconds (late), or runs and is never
// healthy (sick).
const imageScript = `#!/bin/sh
set -e
d=$(mktemp -d)
mkdir -p $d/bin $d/tmp
cp /usr/bin/busybox $d/bin/busybox
for n in sh sleep echo cat test; do ln $d/bin/busybox $d/bin/$n; done
echo $2 >$d/version
run='trap "exit 0" TERM; while :; do sleep 1 & wait; done'
case $3 in
good) touch $d/healthy ;;
exit) run='exit 3' ;;
late) run='sleep 3; exit 4'; touch $d/healthy ;;
sick) ;;
esac
echo "$run" >$d/run.sh
tar -C $d -c . | podman import -q --change 'CMD ["/bin/sh","/run.sh"]' - 127.0.0.1:5000/push-tmp:$1-$2 >/dev/null
podman push -q 127.0.0.1:5000/push-tmp:$1-$2 docker://127.0.0.1:5000/$1:latest
podman rmi -f 127.0.0.1:5000/push-tmp:$1-$2 >/dev/null
rm -r $d
`

const registryConf = `version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: /var/lib/registry}, delete: {enabled: true}}
http: {addr: 127.0.0.1:5000}
`

// lab is a machine with a registry, Podman and the updater.
type lab struct {
	*machine
	version int
	proxies int // that were started
}

// startLab boots a machine and starts the registry.
func startLab(t *testing.T) *lab {
	t.Helper()
	bootedTree(t)
	testkit.Need(t, "docker-registry")
	registry, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Dir(binary)
	for name, pkg := range map[string]string{"eventsvc-updater": "../cmd/eventsvc-updater", "badregistry": "./badregistry"} {
		build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(bin, name), pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("cannot build %s: %v\n%s", pkg, err, out)
		}
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	unit := func(name string) string { return read("../dist/systemd/system/" + name) }
	m := boot(t, map[string]string{
		"/etc/containers/containers.conf.d/lab.conf": logToFile + "[containers]\nkeyring = false\nnetns = \"host\"\ncgroups = \"disabled\"\n",
		"/etc/containers/registries.conf.d/lab.conf": "[[registry]]\nlocation = \"" + goodRegistry + "\"\ninsecure = true\n" +
			"[[registry]]\nlocation = \"" + badRegistry + "\"\ninsecure = true\n" +
			"[[registry]]\nprefix = \"mirrored.test\"\nlocation = \"mirrored.test\"\n" +
			"[[registry.mirror]]\nlocation = \"" + goodRegistry + "\"\ninsecure = true\n",
		"/etc/registry.yml": registryConf,
		"/etc/systemd/system/registry.service": "[Service]\nExecStart=/opt/docker-registry serve /etc/registry.yml\n" +
			"[Install]\nWantedBy=multi-user.target\n",
		"/usr/lib/systemd/system/eventsvc.service":                        unit("eventsvc.service"),
		"/usr/lib/systemd/system/eventsvc.socket":                         unit("eventsvc.socket"),
		"/usr/lib/systemd/system/eventsvc-autoupdate.service":             unit("eventsvc-autoupdate.service"),
		"/usr/lib/systemd/system/eventsvc-autoupdate.timer":               unit("eventsvc-autoupdate.timer"),
		"/usr/lib/systemd/system/eventsvc-updater.socket":                 unit("eventsvc-updater.socket"),
		"/usr/lib/systemd/system/eventsvc-updater.service":                unit("eventsvc-updater.service"),
		"/usr/share/dbus-1/system.d/io.podman.AutoUpdate1.conf":           read("../dist/dbus/io.podman.AutoUpdate1.conf"),
		"/usr/share/dbus-1/system-services/io.podman.AutoUpdate1.service": read("../dist/dbus/io.podman.AutoUpdate1.system.service"),
		"/usr/share/dbus-1/system.d/io.podman.Events1.conf":               read("../dist/dbus/io.podman.Events1.conf"),
		"/usr/share/dbus-1/system-services/io.podman.Events1.service":     read("../dist/dbus/io.podman.Events1.system.service"),
		"/usr/lib/tmpfiles.d/eventsvc.conf":                               read("../dist/systemd/eventsvc.tmpfiles.conf"),
		"/opt/image":                                                      imageScript,
	})
	for path, from := range map[string]string{
		"/opt/docker-registry": registry, "/usr/bin/eventsvc": binary, "/opt/badregistry": filepath.Join(bin, "badregistry"),
		"/usr/libexec/eventsvc/eventsvc-updater": filepath.Join(bin, "eventsvc-updater"),
	} {
		m.put(path, read(from))
		if err := os.Chmod(filepath.Join(m.root, path), 0o755); err != nil { //nolint:gosec // programs
			t.Fatal(err)
		}
	}
	m.run("systemd-tmpfiles", "--create", "eventsvc.conf")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "start", "eventsvc.socket", "registry")
	m.eventually("200", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://"+goodRegistry+"/v2/")
	return &lab{machine: m}
}

// push builds an image and pushes it; each image is different.
func (l *lab) push(name, kind string) {
	l.t.Helper()
	l.version++
	l.run("/opt/image", name, fmt.Sprint(l.version), kind)
}

// quadlet returns the Quadlet file of a container.
type quadlet struct {
	name, image, unit, container, service string
	policy                                string
}

const healthCheck = "HealthCmd=test -e /healthy\nHealthInterval=1s\nHealthRetries=2\nHealthStartPeriod=1s\n"

// start writes Quadlet files and starts their units.
func (l *lab) start(units ...quadlet) {
	l.t.Helper()
	names := []string{"systemctl", "start"}
	for _, q := range units {
		if q.policy == "" {
			q.policy = "AutoUpdate=registry\n"
		}
		l.put("/etc/containers/systemd/"+q.name+".container", "[Unit]\n"+q.unit+"[Container]\nImage="+q.image+"\nContainerName="+q.name+
			"\n"+q.policy+"Network=host\nCgroupsMode=disabled\nLabel=io.eventsvc.autoupdate.settle=4s\n"+q.container+
			"[Service]\nTimeoutStartSec=12\n"+q.service)
		names = append(names, q.name)
	}
	l.run("systemctl", "daemon-reload")
	l.run(names...)
}

// clear stops units and removes their files.
func (l *lab) clear(names ...string) {
	l.t.Helper()
	_, _ = l.try(append([]string{"systemctl", "stop"}, names...)...)
	for _, n := range names {
		_ = os.Remove(filepath.Join(l.root, "/etc/containers/systemd", n+".container"))
	}
	l.run("systemctl", "daemon-reload")
	_, _ = l.try(append([]string{"systemctl", "reset-failed"}, names...)...)
}

// update runs the updater and returns the result of each container, by name, and the
// exit code.
func (l *lab) update(args ...string) (map[string]autoupdate.Result, int) {
	l.t.Helper()
	out, err := l.command(l.t.Context(), append([]string{"eventsvc", "auto-update", "--format", "json"}, args...)...).Output()
	l.note(append([]string{"eventsvc", "auto-update", "--format", "json"}, args...), out, err)
	code := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		code = ended.ExitCode()
		l.note([]string{"stderr"}, ended.Stderr, nil)
	}
	var all []autoupdate.Result
	if json.Unmarshal(out, &all) != nil {
		l.t.Fatalf("eventsvc auto-update: %v\n%s", err, out)
	}
	results := make(map[string]autoupdate.Result)
	for _, r := range all {
		results[r.ContainerName] = r
	}
	return results, code
}

// versionOf returns the version of the image that a container runs; empty if it is not
// running.
func (l *lab) versionOf(name string) string {
	out, _ := l.command(l.t.Context(), "podman", "exec", name, "cat", "/version").Output()
	return strings.TrimSpace(string(out))
}

// want checks the outcome of a container.
func (l *lab) want(results map[string]autoupdate.Result, name string, outcome autoupdate.Outcome, version int) {
	l.t.Helper()
	if r := results[name]; r.Result != outcome {
		l.t.Errorf("%s is %q (%s), want %q", name, r.Result, r.Error, outcome)
	}
	if got := l.versionOf(name); got != fmt.Sprint(version) {
		l.t.Errorf("%s runs version %q, want %d", name, got, version)
	}
}

// wantCode checks the exit code.
func (l *lab) wantCode(got, want int) {
	l.t.Helper()
	if got != want {
		l.t.Errorf("exit code %d, want %d", got, want)
	}
}
