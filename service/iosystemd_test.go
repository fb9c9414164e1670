package service

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/eventsvc/eventsvc/internal/access"
)

// recorder is a service that records its calls.
type recorder struct {
	reloads, level atomic.Int64
	failing        atomic.Bool
}

func (s *recorder) Reload() error {
	s.reloads.Add(1)
	if s.failing.Load() {
		return errors.New("cannot read /etc/eventsvc/eventsvc.toml:1: something private")
	}
	return nil
}

func (s *recorder) SetLogLevel(priority int64) { s.level.Store(priority) }

func TestSystemd_rootAndItsUserAlone(t *testing.T) {
	s := new(recorder)
	for _, test := range []struct {
		name, call, want string
		peer             access.Peer
	}{
		{"Every client may ask whether it is there", `{"method":"io.systemd.service.Ping"}`, `{"parameters":{}}`, access.Peer{UID: 4321}},
		{"Root may have it reload", `{"method":"io.systemd.service.Reload"}`, `{"parameters":{}}`, access.Peer{UID: 0}},
		{
			"A stranger may not", `{"method":"io.systemd.service.Reload"}`,
			`{"error":"org.varlink.service.PermissionDenied","parameters":{}}`,
			access.Peer{UID: 4321},
		},
		{
			"Nor set the level", `{"method":"io.systemd.service.SetLogLevel","parameters":{"level":7}}`,
			`{"error":"org.varlink.service.PermissionDenied","parameters":{}}`,
			access.Peer{UID: 4321},
		},
		{
			"Nor see the environment", `{"method":"io.systemd.service.GetEnvironment"}`,
			`{"error":"org.varlink.service.PermissionDenied","parameters":{}}`,
			access.Peer{UID: 4321},
		},
		{"Root may set the level", `{"method":"io.systemd.service.SetLogLevel","parameters":{"level":7}}`, `{"parameters":{}}`, access.Peer{}},
		{
			"A level there is not", `{"method":"io.systemd.service.SetLogLevel","parameters":{"level":8}}`,
			`{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"level"}}`,
			access.Peer{},
		},
		{
			"No level", `{"method":"io.systemd.service.SetLogLevel","parameters":{}}`,
			`{"error":"org.varlink.service.InvalidParameter","parameters":{"parameter":"level"}}`,
			access.Peer{},
		},
		{
			"A method there is not", `{"method":"io.systemd.service.Stop"}`,
			`{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"io.systemd.service.Stop"}}`,
			access.Peer{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, as(test.peer), func(_ *rig, o *Options) { o.Systemd = s })
			c := r.dial()
			c.send(test.call)
			check(t, c.receive().frame, test.want)
		})
	}
	if s.reloads.Load() != 1 || s.level.Load() != 7 {
		t.Errorf("it was asked to reload %d times, and to log at level %d", s.reloads.Load(), s.level.Load())
	}
}

func TestSystemd_failedReload(t *testing.T) {
	s := new(recorder)
	s.failing.Store(true)
	r := newRig(t, func(_ *rig, o *Options) { o.Systemd = s })
	got := tell(r.dial(), "Reload")
	check(t, got.frame, `{"error":"io.systemd.System","parameters":{"origin":"linux","errno":22,"errnoName":"EINVAL"}}`)
}

func TestSystemd_readOnlySocket(t *testing.T) {
	s := new(recorder)
	r := newRig(t, func(_ *rig, o *Options) { o.Systemd = s })
	c := dial(t, r.listen(t.Context(), "ro,readonly"))
	check(t, tell(c, "Reload").frame, `{"error":"org.varlink.service.PermissionDenied","parameters":{}}`)
	check(t, tell(c, "Ping").frame, `{"parameters":{}}`)
}

func TestSystemd_pingAlone(t *testing.T) {
	c := newRig(t).dial()
	check(t, tell(c, "Reload").frame,
		`{"error":"io.systemd.System","parameters":{"origin":"linux","errno":95,"errnoName":"EOPNOTSUPP"}}`)
	check(t, tell(c, "Ping").frame, `{"parameters":{}}`)
}

func check(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("the reply is %s, want %s", got, want)
	}
}

// tell calls a method of io.systemd.service.
func tell(c *client, method string) reply {
	c.send(`{"method":"io.systemd.service.` + method + `"}`)
	return c.receive()
}
