package dbus

import (
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

// Live stands once, between history and the first new event, and says how many
// events came before it, on each way to begin.
func TestSubscription_live(t *testing.T) {
	for name, test := range map[string]struct {
		filters []string
		options dict
		resume  int // the event to continue after, from 1
		past    uint64
	}{
		"no_history":      {nil, dict{}, 0, 0},
		"from_start":      {nil, dict{"from_start": v(true)}, 0, 2000},
		"after":           {nil, dict{}, 1990, 10},
		"after_the_last":  {nil, dict{}, 2000, 0},
		"since":           {nil, dict{"since": v(event(1999).Time.Add(-1).Format("2006-01-02T15:04:05.999999999Z07:00"))}, 0, 1},
		"nothing_matches": {[]string{"name=none", "name=fresh"}, dict{"from_start": v(true)}, 0, 0},
		"until_ahead":     {nil, dict{"from_start": v(true), "until": v("1h")}, 0, 2000},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			cursors := r.write(eventRange(0, 2000)...)
			if test.resume > 0 {
				test.options["after"] = v(cursors[test.resume-1])
			}
			c := r.client()
			signals := hear(c)
			begin := ask(t, c, "Subscribe", "t", append([]string{}, test.filters...), test.options)[1]
			last := begin
			s := nextSignal(t, signals)
			for n := range test.past {
				if s.Name != eventsInterface+".Event" {
					t.Fatalf("after %d events: %v", n, s)
				}
				last = s.Body[5].(dict)["cursor"].Value()
				s = nextSignal(t, signals)
			}
			if s.Name != eventsInterface+".Live" || s.Path != subscriptionPath+"/t" || len(s.Body) != 2 || s.Body[1] != test.past {
				t.Fatalf("after %d events: %v", test.past, s)
			}
			if at := s.Body[0].(string); test.past > 0 && !strings.HasPrefix(at, last.(string)) {
				t.Errorf("Live is at %v, the last event at %v", s.Body[0], last)
			}
			fresh := event(2000)
			fresh.Name = "fresh"
			r.write(fresh, fresh)
			for n := range uint64(2) { // and no second Live
				s := nextSignal(t, signals)
				if s.Name != eventsInterface+".Event" || s.Body[5].(dict)["sequence"] != v(test.past+n+1) {
					t.Fatalf("after Live: %v", s)
				}
			}
		})
	}
}

// A subscription that ends in the past never was live.
func TestSubscriptionLive_endsInThePast(t *testing.T) {
	r := newRig(t, nil)
	r.write(eventRange(0, 3)...)
	c := r.client()
	signals := hear(c)
	ask(t, c, "Subscribe", "t", []string{}, dict{"from_start": v(true), "until": v("now")})
	for range 3 {
		nextSignal(t, signals)
	}
	if s := nextSignal(t, signals); s.Name != eventsInterface+".Ended" {
		t.Errorf("got %v, want Ended", s)
	}
}

// The long lists are returned by Get, and left out of what busctl prints.
func TestProperties_explicit(t *testing.T) {
	c := newRig(t, nil).client()
	all := ask(t, c, "org.freedesktop.DBus.Properties.GetAll", eventsInterface)[0].(dict)
	for _, name := range []string{"EventTypes", "EventStatuses"} {
		if _, ok := all[name]; ok {
			t.Errorf("%s is in GetAll", name)
		}
		list := ask(t, c, "org.freedesktop.DBus.Properties.Get", eventsInterface, name)[0].(godbus.Variant).Value()
		if words, ok := list.([]string); !ok || len(words) < 8 {
			t.Errorf("%s is %v", name, list)
		}
	}
	if _, ok := all["LogPath"]; ok {
		t.Error("LogPath is in GetAll")
	}
	if _, ok := all["Version"]; !ok {
		t.Errorf("GetAll has %v", all)
	}
}
