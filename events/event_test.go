package events_test

import (
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
)

// An event reads as Podman prints it.
func TestEvent_stringAsPodman(t *testing.T) {
	const id = "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90"
	at := time.Date(2026, 11, 23, 13, 41, 57, 795029572, time.FixedZone("CET", 3600))
	const stamp = "2026-11-23 13:41:57.795029572 +0100 CET "
	zero := 0
	for _, test := range []struct {
		name        string
		event       events.Event
		full, short string
	}{
		{
			"a container with its labels sorted",
			events.Event{
				Type: events.Container, Status: events.Create, ID: id, Image: "localhost/busybox:test", Name: "web",
				Details: events.Details{Attributes: map[string]string{"z": "last", "a": "first", "m": "", "Z": "upper"}},
			},
			"container create " + id + " (image=localhost/busybox:test, name=web, Z=upper, a=first, m=, z=last)",
			"container create a1b2c3d4e5f6 (image=localhost/busybox:test, name=web, Z=upper, a=first, m=, z=last)",
		},
		{
			"a container in a pod, without its exit code",
			events.Event{
				Type: events.Container, Status: events.Exited, ID: id, Image: "i", Name: "web", ContainerExitCode: &zero,
				Details: events.Details{PodID: "f00d"},
			},
			"container died " + id + " (image=i, name=web, pod_id=f00d)",
			"container died a1b2c3d4e5f6 (image=i, name=web, pod_id=f00d)",
		},
		{
			"a health check that failed",
			events.Event{
				Type: events.Container, Status: events.HealthStatus, ID: id, Image: "i", Name: "web",
				HealthStatus: "unhealthy", HealthFailingStreak: 3, HealthLog: "no answer",
				Details: events.Details{Attributes: map[string]string{"k": "v"}},
			},
			"container health_status " + id +
				" (image=i, name=web, health_status=unhealthy, health_failing_streak=3, health_log=no answer, k=v)",
			"container health_status a1b2c3d4e5f6" +
				" (image=i, name=web, health_status=unhealthy, health_failing_streak=3, health_log=no answer, k=v)",
		},
		{
			"a pod, which has no image",
			events.Event{Type: events.Pod, Status: events.Create, ID: id, Name: "shop"},
			"pod create " + id + " (image=, name=shop)", "pod create a1b2c3d4e5f6 (image=, name=shop)",
		},
		{
			"an image",
			events.Event{Type: events.Image, Status: events.Pull, ID: id, Name: "docker.io/library/nginx:latest"},
			"image pull " + id + " docker.io/library/nginx:latest", "image pull a1b2c3d4e5f6 docker.io/library/nginx:latest",
		},
		{
			"an image whose ID is a digest",
			events.Event{Type: events.Image, Status: events.Tag, ID: "sha256:" + id, Name: "n"},
			"image tag sha256:" + id + " n", "image tag a1b2c3d4e5f6 n",
		},
		{
			"an image that could not be pulled, which has no ID",
			events.Event{Type: events.Image, Status: events.PullError, Name: "localhost:1/none", Error: "connection refused"},
			"image pull-error  localhost:1/none connection refused", "image pull-error  localhost:1/none connection refused",
		},
		{
			"an artifact, like an image",
			events.Event{Type: events.Artifact, Status: events.Push, ID: id, Name: "q.io/a:1", Error: "e"},
			"artifact push " + id + " q.io/a:1 e", "artifact push a1b2c3d4e5f6 q.io/a:1 e",
		},
		{
			"a network that was created",
			events.Event{
				Type: events.Network, Status: events.Create, ID: id, Network: "front",
				Details: events.Details{Attributes: map[string]string{"driver": "bridge"}},
			},
			"network create " + id + " (name=front, type=bridge)", "network create a1b2c3d4e5f6 (name=front, type=bridge)",
		},
		{
			"a network without a driver",
			events.Event{Type: events.Network, Status: events.Remove, ID: id, Network: "front"},
			"network remove " + id + " (name=front)", "network remove a1b2c3d4e5f6 (name=front)",
		},
		{
			"a network that a container was connected to",
			events.Event{Type: events.Network, Status: events.NetworkConnect, ID: id, Network: "front"},
			"network connect " + id + " (container=" + id + ", name=front)",
			"network connect a1b2c3d4e5f6 (container=a1b2c3d4e5f6, name=front)",
		},
		{
			"a volume, by its name",
			events.Event{Type: events.Volume, Status: events.Create, ID: id, Name: "data"},
			"volume create data", "volume create data",
		},
		{
			"a machine, by its name",
			events.Event{Type: events.Machine, Status: events.Init, Name: "vm"},
			"machine init vm", "machine init vm",
		},
		{
			"a secret, by its ID",
			events.Event{Type: events.Secret, Status: events.Create, ID: "955eaf5b1fc28bba097a6d218", Name: "key"},
			"secret create 955eaf5b1fc28bba097a6d218", "secret create 955eaf5b1fc2",
		},
		{
			"the engine",
			events.Event{Type: events.System, Status: events.Refresh},
			"system refresh", "system refresh",
		},
		{
			"a rotation of the log, with its path",
			events.Event{Type: events.System, Status: events.Rotate, Name: "/run/libpod/events/events.log"},
			"system log-rotation /run/libpod/events/events.log", "system log-rotation /run/libpod/events/events.log",
		},
		{
			"a type of a newer libpod",
			events.Event{Type: "gadget", Status: "levitate", ID: id, Name: "g"},
			"gadget levitate " + id + " g", "gadget levitate a1b2c3d4e5f6 g",
		},
		{
			"a type of a newer libpod without ID and name",
			events.Event{Type: "gadget", Status: "levitate"},
			"gadget levitate", "gadget levitate",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.event.Time = at
			if got := test.event.ToHumanReadable(false); got != stamp+test.full {
				t.Errorf("in full:\n%s, want\n%s", got, stamp+test.full)
			}
			if got := test.event.ToHumanReadable(true); got != stamp+test.short {
				t.Errorf("truncated:\n%s, want\n%s", got, stamp+test.short)
			}
		})
	}
}

// The time reads as Podman prints it.
func TestEvent_timeAsPodman(t *testing.T) {
	for _, test := range []struct{ value, want string }{
		{"2026-11-23T12:41:57.795029572Z", "2026-11-23 12:41:57.795029572 +0000 UTC system refresh"},
		{"2026-11-23T12:41:57.500000000Z", "2026-11-23 12:41:57.5 +0000 UTC system refresh"},
		{"2026-11-23T12:41:57Z", "2026-11-23 12:41:57 +0000 UTC system refresh"},
		{"2026-11-23T12:41:57+05:45", "2026-11-23 12:41:57 +0545 +0545 system refresh"},
	} {
		var e events.Event
		line := `{"Status":"refresh","Time":"` + test.value + `","Type":"system"}`
		if err := e.UnmarshalJSON([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if got := e.ToHumanReadable(true); got != test.want {
			t.Errorf("%s reads\n%s, want\n%s", test.value, got, test.want)
		}
	}
}

func TestNew_now(t *testing.T) {
	before := time.Now()
	e := events.NewEvent(events.Refresh)
	if e.Status != events.Refresh || e.Time.Before(before) || e.Time.After(time.Now()) {
		t.Errorf("status %q, time %s", e.Status, e.Time)
	}
	e.Type = events.System
	// What is printed and written of the time has no trace of the monotonic clock.
	if got, want := e.ToHumanReadable(false), e.Time.Round(0).String()+" system refresh"; got != want {
		t.Errorf("reads\n%s, want\n%s", got, want)
	}
}
