package test

import (
	"strings"
	"testing"
)

// commandsWait runs the recipes of 'eventsvc wait' with the machine's Podman 5.4.2: wait
// until a job has ended, or until a container is healthy, which it may be already, found
// by its present name.
func commandsWait(t *testing.T, m *machine, _ user) {
	const create = "podman create --pull=never --cgroups=disabled --network=host "
	m.sh(create + "--name job localhost/busybox:test sh -c 'exit 9'")
	m.sh(create + "--name db --health-cmd 'test -e /ready' --health-interval 1s --health-retries 1 localhost/busybox:test sh -c 'sleep 3; touch /ready; exec sleep 1000'")
	defer m.run("podman", "rm", "--force", "--time", "0", "job", "db", "database")
	wait := func(want, words string) {
		t.Helper()
		if got := m.sh("eventsvc wait --timeout 60s " + words + " 2>/dev/null"); !strings.Contains(got, want) {
			t.Errorf("wait %s prints %q, want %q", words, got, want)
		}
	}
	const died = "--filter container=job --filter event=died --format 'code={{.ContainerExitCode}}'"
	const healthy = "--filter container=db --filter health=healthy"
	wait("code=9", died+" -- podman start job")
	wait("health_status=healthy", healthy+" -- podman start db")
	wait("code=9", "--or-now "+died)
	wait("health_status=healthy", "--or-now "+healthy)
	m.run("podman", "rename", "db", "database")
	wait(" container start ", "--or-now --filter container=database --filter event=start")
	contains(t, m.run("eventsvc", "state", "--filter", "container=database"), "database", "start", "healthy")
}
