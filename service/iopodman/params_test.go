package iopodman

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// model1x is the rule of Podman 1.x for one filter, as far as the filter is
// good: the key, and whether an event passes.
func model1x(text string) (key string, pass func(*events.Event) bool, good bool) {
	key, value, found := strings.Cut(text, "=")
	key = strings.ToLower(key)
	if !found || value == "" || len(text) > 4096 {
		return key, nil, false
	}
	object := func(typ events.Type) func(*events.Event) bool {
		return func(e *events.Event) bool {
			return e.Type == typ && (e.Name == value || strings.HasPrefix(e.ID, value))
		}
	}
	switch key {
	case "container":
		return key, object(events.Container), true
	case "image":
		return key, object(events.Image), true
	case "pod":
		return key, object(events.Pod), true
	case "volume":
		return key, func(e *events.Event) bool { return e.Type == events.Volume && strings.HasPrefix(e.Name, value) }, true
	case "type":
		return key, func(e *events.Event) bool { return string(e.Type) == value }, slices.Contains(clientTypes, value)
	case "event", "status":
		if value == "die" {
			value = "died"
		}
		return "event", func(e *events.Event) bool { return string(e.Status) == value }, slices.Contains(clientStatuses, value)
	}
	return key, nil, false
}

// FuzzGetEventsParams holds what is made of the parameters of a call against
// the rules of Podman 1.x, over events of every type and status there is.
func FuzzGetEventsParams(f *testing.F) {
	f.Add("", "", "", "", "")
	f.Add("event=create", "container=web", "", "1h", "2020-01-01")
	f.Add("type=pod", "type=volume", "volume=web", "-5s", "1590148800.5")
	f.Add("event=exec_died", "status=raw:x", "label=a=b", "0", "now")
	f.Add("container=abc", "IMAGE=a", "pod=", "9999-12-31", "-2562047h47m16.854775808s")
	f.Add("container!=a", "=", "type=network", "10", "yesterday")
	var zoo []events.Event
	for _, typ := range append(events.Types(), "gadget") {
		for _, status := range append(events.Statuses(), "levitate") {
			zoo = append(zoo, events.Event{Type: typ, Status: status, ID: "abcdef", Name: "web", Image: "alpine", Time: time.Unix(1, 0)})
		}
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, one, two, three, since, until string) {
		var filters []string
		good := true
		choices := make(map[string][]func(*events.Event) bool)
		for _, text := range []string{one, two, three} {
			if text == "" {
				continue
			}
			filters = append(filters, text)
			key, pass, ok := model1x(text)
			good = good && ok
			choices[key] = append(choices[key], pass)
		}
		q, err := query(&filters, &since, &until, now)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			if _, filterErr := parseFilters(filters); (filterErr != nil) == good {
				t.Errorf("filters %q: %v, good in 1.x: %t", filters, filterErr, good)
			}
			return
		}
		if !good {
			t.Fatalf("filters %q are taken", filters)
		}
		if q.Past() != (since != "" || until != "") || q.End().IsZero() && until != "" && !strings.HasPrefix(until, "0001-01-01") {
			t.Errorf("since %q, until %q: %+v", since, until, q)
		}
		if d, err := time.ParseDuration(until); err == nil && until != "0" && until[len(until)-1] != '0' && d > -1<<62 && !q.End().Equal(now.Add(-d)) {
			t.Errorf("until %q is %s", until, q.End())
		}
		for i := range zoo {
			e := &zoo[i]
			want := slices.Contains(clientTypes, string(e.Type)) && slices.Contains(clientStatuses, string(e.Status))
			for _, choice := range choices {
				want = want && slices.ContainsFunc(choice, func(pass func(*events.Event) bool) bool { return pass(e) })
			}
			if got := q.Filters().Match(testkit.View(e)); got != want {
				t.Fatalf("filters %q, %s %s: sent is %t, want %t", filters, e.Type, e.Status, got, want)
			}
		}
	})
}

func TestTimes_duration(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"10m": -10 * time.Minute, "-5s": 5 * time.Second, "+1h30m": -90 * time.Minute, "0s": 0, "1.5h": -90 * time.Minute,
		"-2562047h47m16.854775808s": 1<<63 - 1, "now": 0,
	} {
		for _, bound := range []events.Bound{events.Since, events.Until} {
			got, err := parseTime(bound, value, now)
			if err != nil || !got.Equal(now.Add(want)) {
				t.Errorf("%s %q is %s, %v, want %s", bound, value, got, err, now.Add(want))
			}
		}
	}
}
