package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/state"
)

// TestTable_imagesAreNamedInThreeWays: Podman's events have the name of an image, its
// ID, or both, and what is removed by one of them is gone.
func TestTable_imagesAreNamedInThreeWays(t *testing.T) {
	for _, test := range []struct{ history, want string }{ // STATUS NAME ID, - for none
		{"pull a -", "pull a -"},
		{"pull a -,untag a 1,remove - 1", ""},
		{"pull a -,tag a 1", "tag a 1"},
		{"tag a 1,pull a -", "pull a 1"},
		{"tag a 1,pull a -,untag a 1,remove - 1", ""},
		{"pull a -,pull b -,tag a 1,remove - 1", "pull b -"},
		{"pull a -,remove a 1", ""},
		{"pull a -,untag reg.io/lib/a:latest 1,remove - 1", ""},
		{"pull lib/a -,tag reg.io:5000/lib/a:latest 1", "tag reg.io:5000/lib/a:latest 1"},
		{"pull a:2 -,pull a -,tag reg.io/lib/a:2 1", "pull a -,tag reg.io/lib/a:2 1"},
		{"tag a 1,remove a -", ""},
		{"tag a 1,tag a 2,remove - 1,pull a -", "pull a 2"},
		{"tag a 1,tag b 1,pull a -", "tag b 1,pull a -"},
		{"tag a 1,remove - 1,pull a -", "pull a -"},
		{"tag reg.io/lib/a:latest 1,pull a -", "pull reg.io/lib/a:latest 1"},
		{"tag reg.io/lib/a:latest 1,pull lib/a:latest -,pull a -,remove - 1", ""},
		{"pull reg.io/lib/a -,pull a -", "pull reg.io/lib/a -"},
		{"pull a -,pull reg.io/lib/a:latest -,pull a -", "pull reg.io/lib/a:latest -"},
		{"tag reg.io/lib/a:latest 1,tag reg.io/lib/a:latest 2,pull a -", "tag reg.io/lib/a:latest 1,pull reg.io/lib/a:latest 2"},
		{"tag reg.io/lib/a:latest 1,tag reg.io/lib/a:2 1,pull a -", "tag reg.io/lib/a:2 1,pull a -"},
		{"pull reg.io/a -,pull other.io/a -,pull a -", "pull reg.io/a -,pull other.io/a -,pull a -"}, // it may be either
		{"tag reg.io/a 1,tag other.io/a 2,tag third.io/a 3,pull a -", "tag reg.io/a 1,tag other.io/a 2,tag third.io/a 3,pull a -"},
		{"tag reg.io/a 1,pull a -,remove a -", ""},
	} {
		table := state.NewTable(time.Time{})
		for _, line := range strings.Split(test.history, ",") {
			words := strings.Fields(strings.ReplaceAll(line, "-", "''"))
			for i := range words {
				words[i] = strings.Trim(words[i], "'")
			}
			if !table.Add(&events.Event{Type: events.Image, Status: events.Status(words[0]), Name: words[1], ID: words[2]}) {
				t.Fatal("too many objects")
			}
		}
		var got []string
		for _, o := range table.Objects() {
			id := o.ID
			if id == "" {
				id = "-"
			}
			got = append(got, fmt.Sprintf("%s %s %s", o.Status, o.Name, id))
		}
		if got := strings.Join(got, ","); got != test.want {
			t.Errorf("%s: %q, want %q", test.history, got, test.want)
		}
	}
}

// TestChoice_renamed: a container is chosen by the name that it has now, and has the
// state that it had before.
func TestChoice_renamed(t *testing.T) {
	log := []events.Event{
		{Type: events.Container, Status: events.Create, Name: "old", ID: "1"},
		{Type: events.Container, Status: events.Start, Name: "old", ID: "1"},
		{Type: events.Container, Status: events.Mount, Name: "old", ID: "1"},
		{Type: events.Container, Status: events.Create, Name: "other", ID: "2"},
		{Type: events.Container, Status: events.Rename, Name: "new", ID: "1"},
		{Type: events.Container, Status: events.Create, Name: "old", ID: "3"},
	}
	for filters, want := range map[string]string{
		"":                            "start new,create other,create old",
		"name=old":                    "create old",
		"name=new":                    "start new",
		"container=1":                 "start new",
		"name=n*":                     "start new",
		"name!=old":                   "start new,create other",
		"name=old,name=new":           "start new,create old",
		"container=other":             "create other",
		"type=container,container=no": "",
	} {
		choice, err := state.NewChoice(strings.FieldsFunc(filters, func(r rune) bool { return r == ',' }))
		if err != nil {
			t.Fatal(err)
		}
		each := func(filters []string, add func(*events.Event) bool) {
			parsed, err := events.ParseFilters(filters)
			if err != nil {
				t.Fatal(err)
			}
			for i := range log {
				if e := log[i]; parsed.Match(&e) && !add(&e) {
					t.Fatal("too many")
				}
			}
		}
		if renames := choice.Renames(); renames != nil {
			each(renames, choice.AddRename)
		}
		table := state.NewTable(time.Time{})
		each(choice.Filters(), func(e *events.Event) bool { return !choice.Takes(e) || table.Add(e) })
		var got []string
		for _, o := range choice.Of(table) {
			got = append(got, string(o.Status)+" "+o.Name)
		}
		if got := strings.Join(got, ","); got != want {
			t.Errorf("%q: %s, want %s", filters, got, want)
		}
	}
}

// TestChoice_whatIsSoNow: filters on status, exit code and health are about the newest.
func TestChoice_whatIsSoNow(t *testing.T) {
	log := history("a/1 start,a/1 health_status healthy,b/2 start,b/2 health_status healthy,b/2 health_status unhealthy," +
		"c/3 start,c/3 died 7,d/4 died 0,e/5 start,e/5 pause")
	for filters, want := range map[string]string{
		"health=unhealthy":           "b",
		"health=healthy":             "a",
		"health!=healthy":            "b,c,d,e",
		"event=start":                "a,b",
		"event=start health=healthy": "a",
		"status=died exit-code!=0":   "c",
		"exit-code=0":                "d",
		"exit-code=7":                "c",
		"event!=died event!=pause":   "a,b",
		"name=b health=healthy":      "",
	} {
		choice, err := state.NewChoice(strings.Fields(filters))
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := events.ParseFilters(choice.Filters())
		if err != nil {
			t.Fatal(err)
		}
		table := state.NewTable(time.Time{})
		for i := range log {
			if wanted.Match(&log[i]) && choice.Takes(&log[i]) {
				table.Add(&log[i])
			}
		}
		var got []string
		for _, o := range choice.Of(table) {
			got = append(got, o.Name)
		}
		slices.Sort(got)
		if got := strings.Join(got, ","); got != want {
			t.Errorf("%s: %s, want %s", filters, got, want)
		}
	}
	for _, filters := range []string{"health=changed", "+health=changed", "event=nope", "health=well"} {
		if _, err := state.NewChoice([]string{filters}); err == nil {
			t.Errorf("%s is understood", filters)
		}
	}
}

// TestTable_sameNameOfTwoUsers: each user has volumes of its own.
func TestTable_sameNameOfTwoUsers(t *testing.T) {
	table := state.NewTable(time.Time{})
	q, err := state.NewQuestion([]string{"volume=data", "event=create"})
	if err != nil {
		t.Fatal(err)
	}
	answer := q.NewAnswer()
	root, alice := uint32(0), uint32(1000)
	for _, e := range []events.Event{
		{Type: events.Volume, Name: "data", Status: events.Create, UID: &root},
		{Type: events.Volume, Name: "data", Status: events.Create, UID: &alice},
		{Type: events.Volume, Name: "data", Status: events.Remove, UID: &alice},
	} {
		table.Add(&e)
		answer.Add(e)
	}
	if all := table.Objects(); len(all) != 1 || *all[0].UID != root {
		t.Errorf("%+v, want the volume of root", all)
	}
	if e, ok := answer.Event(); !ok || *e.UID != root {
		t.Errorf("%+v, %v, want the volume of root", e, ok)
	}
}
