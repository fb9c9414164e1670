package filter_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/test/testkit"
)

func verdict(container, word string) events.Event {
	return events.Event{Type: events.Container, Status: events.HealthStatus, ID: container, Name: container, HealthStatus: word}
}

// seen returns the places of the events that a reader gets.
func seen(t *testing.T, all []events.Event, filters ...string) (places []int) {
	t.Helper()
	f, err := filter.Parse(filters)
	if err != nil {
		t.Fatal(err)
	}
	changes := f.Changes()
	for i := range all {
		v := testkit.View(&all[i])
		if f.Match(v) && (changes == nil || changes.Match(v)) {
			places = append(places, i)
		}
	}
	return places
}

func TestChanges_verdictsThatDiffer(t *testing.T) {
	all := []events.Event{
		verdict("a", "starting"),                                // 0
		verdict("a", "healthy"),                                 // 1
		verdict("a", "healthy"),                                 // 2
		verdict("b", "healthy"),                                 // 3
		verdict("a", "healthy"),                                 // 4
		verdict("b", "unhealthy"),                               // 5
		{Type: events.Container, Status: events.Start, ID: "a"}, // 6
		verdict("b", "unhealthy"),                               // 7
		verdict("a", "unhealthy"),                               // 8
		verdict("b", "healthy"),                                 // 9
		verdict("a", ""),                                        // 10
	}
	for _, test := range []struct {
		filters []string
		want    []int
	}{
		{[]string{"health=changed"}, []int{0, 1, 3, 5, 8, 9}},
		{[]string{"+health=changed"}, []int{0, 1, 3, 5, 8, 9}},
		{[]string{"health=changed", "id=b"}, []int{3, 5, 9}},
		{[]string{"health=changed", "health=unhealthy"}, []int{0, 1, 3, 5, 7, 8, 9}},
		{[]string{"+health=changed", "health=unhealthy"}, []int{5, 8}},
		{[]string{"health=changed", "health!=starting"}, []int{1, 3, 5, 8, 9}},
		{[]string{"health!=changed"}, []int{2, 4, 6, 7, 10}},
		{[]string{"health!=changed", "health=healthy"}, []int{2, 4}},
		{[]string{"+health=changed", "+health=healthy"}, []int{1, 3, 9}},
		{[]string{"health=healthy"}, []int{1, 2, 3, 4, 9}},
	} {
		if got := seen(t, all, test.filters...); !slices.Equal(got, test.want) {
			t.Errorf("%q: %v, want %v", test.filters, got, test.want)
		}
	}
}

// TestChanges_moreContainersThanAreRemembered: none is hidden, and memory is bounded.
func TestChanges_moreContainersThanAreRemembered(t *testing.T) {
	var all []events.Event
	const containers = 3000
	for _, word := range []string{"healthy", "unhealthy"} {
		for i := range containers {
			all = append(all, verdict(fmt.Sprint("c", i), word))
		}
	}
	if got := seen(t, all, "health=changed"); len(got) != 2*containers {
		t.Errorf("%d of %d changes were seen", len(got), 2*containers)
	}
	for range 3 {
		all = append(all, verdict("c2999", "unhealthy"))
	}
	if got := seen(t, all, "health=changed"); len(got) != 2*containers {
		t.Errorf("%d changes were seen, want %d", len(got), 2*containers)
	}
}
