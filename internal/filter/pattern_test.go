package filter_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/test/testkit"
)

// TestPattern_meansARegularExpression holds patterns against package regexp, with
// few letters, so that they meet often.
func TestPattern_meansARegularExpression(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	letters := func(from []string, most int) string {
		var b strings.Builder
		for range r.IntN(most + 1) {
			b.WriteString(pick(r, from))
		}
		return b.String()
	}
	matched := 0
	const rounds = 100_000
	for range rounds {
		value := letters([]string{"a", "b", "ö", "*", "?", "*"}, 6) + pick(r, []string{"*", "?"})
		name := letters([]string{"a", "b", "ö", "日"}, 8)
		e := events.Event{Type: events.Pod, Status: events.Create, Name: name}
		f, err := filter.Parse([]string{"pod=" + value})
		if err != nil {
			t.Fatal(err)
		}
		want := name != "" && modelPattern(value).MatchString(name)
		if got := f.Match(testkit.View(&e)); got != want {
			t.Fatalf("%q matches %q: %v, want %v", value, name, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < rounds/20 || matched > rounds*19/20 {
		t.Errorf("%d of %d matched", matched, rounds)
	}
}

// TestPattern_workIsBounded: the names and patterns that take longest.
func TestPattern_workIsBounded(t *testing.T) {
	long := strings.Repeat("a", 1<<20)
	worst := "*" + strings.Repeat("a?", 250) + "b*"
	var filters []string
	for range 8 {
		filters = append(filters, "name="+worst)
	}
	f, err := filter.Parse(filters)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, name := range []string{long, long[:1024], long[:1000] + "b"} {
		f.Match(testkit.View(&events.Event{Type: events.Pod, Name: name}))
	}
	if took := time.Since(began); took > time.Second { // some ms
		t.Errorf("three events took %v", took)
	}
	if _, err := filter.Parse(append(filters, "name="+worst)); err == nil {
		t.Error("more patterns than may be are understood")
	}
	if _, err := filter.Parse([]string{"name=" + long[:600] + "*"}); err == nil {
		t.Error("a pattern that is too long is understood")
	}
}
