package test

import (
	"strings"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
)

// updateOtherArchitecture: only a change of the image for the container's own
// architecture is an update. The script makes an index of an amd64 and an arm64 image,
// each with a version of its own.
func updateOtherArchitecture(l *lab) {
	l.put("/opt/index", `#!/bin/sh
set -e
podman manifest create index >/dev/null
for pair in $(dpkg --print-architecture):$1 riscv64:$2; do
	d=$(mktemp -d)
	mkdir $d/bin $d/tmp
	cp /usr/bin/busybox $d/bin/busybox
	for n in sh sleep cat test; do ln $d/bin/busybox $d/bin/$n; done
	echo ${pair#*:} >$d/version
	echo 'trap "exit 0" TERM; while :; do sleep 1 & wait; done' >$d/run.sh
	find $d -exec touch -h -d @0 {} +
	tar --sort=name -C $d -c . | podman import -q --arch ${pair%:*} --change 'CMD ["/bin/sh","/run.sh"]' - 127.0.0.1:5000/member:${pair%:*}-${pair#*:} >/dev/null
	rm -r $d
done
`)
	// The image that was pushed before keeps its digest: only the other one is rebuilt.
	l.put("/opt/pushindex", `#!/bin/sh
set -e
podman manifest rm index >/dev/null 2>&1 || :
own=$(dpkg --print-architecture)
/opt/index $1 $2
podman manifest rm index >/dev/null
podman manifest create index >/dev/null
[ -s /opt/own-$1 ] || { podman push -q --digestfile /opt/own-$1 127.0.0.1:5000/member:$own-$1 docker://127.0.0.1:5000/index:own; }
podman manifest add index docker://127.0.0.1:5000/index@$(cat /opt/own-$1) >/dev/null
podman manifest add index containers-storage:127.0.0.1:5000/member:riscv64-$2 >/dev/null
podman manifest push -q --all index docker://127.0.0.1:5000/index:latest
podman manifest rm index >/dev/null
podman rmi -f 127.0.0.1:5000/member:$own-$1 127.0.0.1:5000/member:riscv64-$2 >/dev/null
`)
	l.run("chmod", "+x", "/opt/index", "/opt/pushindex")
	l.run("/opt/pushindex", "1", "1")
	l.start(quadlet{name: "index", image: goodRegistry + "/index:latest"})
	l.run("/opt/pushindex", "1", "2")
	results, code := l.update("--dry-run")
	l.want(results, "index", autoupdate.Unchanged, 1)
	l.wantCode(code, 0)
	l.run("/opt/pushindex", "2", "2")
	results, code = l.update()
	l.want(results, "index", autoupdate.Updated, 2)
	l.wantCode(code, 0)
	l.clear("index")
}

// lockedRegistry is a registry that requires a name and a password.
const lockedRegistry = "127.0.0.1:5002"

// updateWithPassword: with the password file of the label the registry can be read;
// without it the container's check fails, with an error that says so.
func updateWithPassword(l *lab) {
	l.put("/etc/htpasswd", "u:$2b$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n")
	l.put("/etc/locked.yml", strings.ReplaceAll(registryConf, goodRegistry, lockedRegistry)+
		"auth: {htpasswd: {realm: lab, path: /etc/htpasswd}}\n")
	l.put("/etc/containers/registries.conf.d/locked.conf", "[[registry]]\nlocation = \""+lockedRegistry+"\"\ninsecure = true\n")
	l.put("/root/auth.json", `{"auths":{"`+lockedRegistry+`":{"auth":"dTpwdw=="}}}`)
	l.run("systemd-run", "--quiet", "--collect", "--unit=lockedregistry", "/opt/docker-registry", "serve", "/etc/locked.yml")
	l.eventually("401", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://"+lockedRegistry+"/v2/")
	l.push("locked", "good")
	l.run("podman", "pull", "-q", "--authfile", "/root/auth.json", lockedRegistry+"/locked:latest")
	label := "Label=io.containers.autoupdate.authfile=/root/auth.json\nPull=never\n"
	l.start(quadlet{name: "locked", image: lockedRegistry + "/locked:latest", container: label})
	l.push("locked", "good")
	results, code := l.update()
	l.want(results, "locked", autoupdate.Updated, l.version)
	l.wantCode(code, 0)
	l.start(quadlet{name: "nokey", image: lockedRegistry + "/locked:latest", container: "Pull=never\n"})
	results, code = l.update()
	l.want(results, "locked", autoupdate.Unchanged, l.version)
	l.want(results, "nokey", autoupdate.Failed, l.version)
	l.wantCode(code, 2)
	l.clear("locked", "nokey")
	l.run("systemctl", "stop", "lockedregistry")
}

// updateBadInput: an error in one container is reported for that one, and the others
// are updated.
func updateBadInput(l *lab) {
	for _, name := range []string{"fine", "gone", "vanished"} {
		l.push(name, "good")
	}
	old := l.version
	l.start(
		quadlet{name: "fine", image: goodRegistry + "/fine:latest"}, quadlet{name: "gone", image: goodRegistry + "/gone:latest"},
		quadlet{name: "vanished", image: goodRegistry + "/vanished:latest"},
	)
	// The tag no longer exists in the registry; the unit no longer exists in systemd, while its container runs.
	l.sh("d=$(curl -sI -H 'Accept: application/vnd.oci.image.manifest.v1+json' http://" + goodRegistry + "/v2/gone/manifests/latest | " +
		"tr -d '\\r' | sed -n 's/^Docker-Content-Digest: //p'); curl -sf -X DELETE http://" + goodRegistry + "/v2/gone/manifests/$d")
	l.run("podman", "run", "-d", "--name", "orphan", "--network=host", "--cgroups=disabled", "--label", "io.containers.autoupdate=registry",
		"--label", "PODMAN_SYSTEMD_UNIT=nosuch.service", goodRegistry+"/vanished:latest")
	l.push("fine", "good")
	fine := l.version
	l.push("vanished", "good")
	results, code := l.update()
	l.want(results, "fine", autoupdate.Updated, fine)
	l.want(results, "gone", autoupdate.Failed, old-1)
	l.wantCode(code, 2)
	l.want(results, "vanished", autoupdate.Updated, l.version)
	l.want(results, "orphan", autoupdate.Failed, old)
	contains(l.t, results["orphan"].Error, "nosuch.service")
	l.run("podman", "rm", "-f", "-t", "0", "orphan")

	// No space: nothing is pulled, and nothing is restarted.
	l.push("fine", "good")
	l.sh("mkdir -p /run/full; mount -t tmpfs -o size=1m full /run/full")
	l.run("mv", "/usr/bin/podman", "/usr/bin/podman.real")
	l.put("/usr/bin/podman", "#!/bin/sh\ncase $* in *StaticDir*) echo /run/full ;; *) exec podman.real \"$@\" ;; esac\n")
	l.run("chmod", "+x", "/usr/bin/podman")
	results, code = l.update("fine")
	l.want(results, "fine", autoupdate.Failed, fine)
	contains(l.t, results["fine"].Error, "MB free")
	l.wantCode(code, 2)
	l.run("umount", "/run/full")

	// A podman that is missing, and one that fails at each call.
	for _, script := range []string{"#!/nonexistent\n", "#!/bin/sh\necho 'Error: no' >&2; exit 125\n"} {
		l.put("/usr/bin/podman", script)
		if out, err := l.try("eventsvc", "auto-update"); err == nil || !strings.Contains(out, "cannot run podman ps") {
			l.t.Errorf("without podman: %v, %s", err, out)
		}
	}
	l.run("mv", "/usr/bin/podman.real", "/usr/bin/podman")
	results, code = l.update("fine")
	l.want(results, "fine", autoupdate.Updated, l.version)
	l.wantCode(code, 0)
	l.clear("fine", "gone", "vanished")
}
