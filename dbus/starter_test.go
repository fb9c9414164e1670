package dbus

import (
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"github.com/eventsvc/eventsvc/test/buspolicy"
)

func TestStarter_busEnds(t *testing.T) {
	ownDaemon(t)
	d := startDaemon(t, buspolicy.Session)
	t.Setenv("DBUS_STARTER_ADDRESS", d.Address())
	t.Setenv("DBUS_STARTER_BUS_TYPE", SessionBus)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
	r := newRig(t, d, func(o *Options) { o.Bus, o.Once = StarterBus, true })
	listener := r.client()
	signals := hear(listener)
	if err := listener.AddMatchSignal(godbus.WithMatchInterface(eventsInterface)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broadcast has begun", func() bool { return r.feed.SubscribersByInterface()["dbus-broadcast"] == 1 })
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

func TestStarter_systemBusAsSessionBus(t *testing.T) {
	ownDaemon(t)
	d := startDaemon(t, buspolicy.Session)
	for _, name := range []string{"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"} {
		t.Setenv(name, d.Address())
	}
	r := newRig(t, d, func(o *Options) { o.Bus = SessionBus })
	if r.server.Conn().IsSession() {
		t.Error("it is taken for a session bus")
	}
}
