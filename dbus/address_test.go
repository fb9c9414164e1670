package dbus

import (
	"os"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/test/buspolicy"
)

func TestNoBusIsLaunchedAndNoProgramRun(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	touched := t.TempDir() + "/touched"
	for _, address := range []string{
		"autolaunch:", "autolaunch:scope=*user", "tcp:host=127.0.0.1,port=1", "nonce-tcp:host=127.0.0.1,port=1,noncefile=/etc/passwd",
		"unixexec:path=/usr/bin/touch,argv1=" + touched, "launchd:env=X", "unix:tmpdir=/tmp", "unix:runtime=yes", "garbage", ";", "unix:path=%zz",
	} {
		t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
		addresses, err := busAddress(SessionBus)
		if err == nil {
			_, err = dial(addresses)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := os.Stat(touched); err == nil {
		t.Error("a program of the address was run")
	}
}

func TestTheBusThatStartedTheServiceEndsIt(t *testing.T) {
	ownDaemon(t)
	if _, err := busAddress(StarterBus); err == nil || !strings.Contains(err.Error(), starterAddress+" is not set") {
		t.Errorf("without such a bus: %v", err)
	}
	d := startDaemon(t, buspolicy.Session)
	t.Setenv(starterAddress, d.Address())
	t.Setenv(starterType, SessionBus)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	r := newRig(t, d, func(o *Options) { o.Bus, o.Once = StarterBus, true })
	listener := r.client()
	signals := hear(listener)
	if err := listener.AddMatchSignal(godbus.WithMatchInterface(eventsInterface)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broadcast has begun", func() bool { return r.feed.SubscribersByFace()["dbus-broadcast"] == 1 })
	r.write(event(1))
	if s := next(t, signals); s.Name != eventsInterface+".Event" {
		t.Errorf("on the session bus that started it there is %v", s)
	}
	d.Stop()
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(patience):
		t.Error("the service goes on without the bus that started it")
	}
}

func TestASystemBusThatIsPassedOffAsASessionBusIsNotBroadcastOn(t *testing.T) {
	ownDaemon(t)
	d := startDaemon(t, buspolicy.Session)
	for _, name := range []string{"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"} {
		t.Setenv(name, d.Address())
	}
	r := newRig(t, d, func(o *Options) { o.Bus = SessionBus })
	if !strings.Contains(r.logged.String(), "broadcast=false") {
		t.Errorf("the log says %s", r.logged)
	}
}
