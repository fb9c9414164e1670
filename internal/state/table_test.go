package state_test

import (
	"fmt"
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
		{"tag a 1,remove a -", ""},
		{"tag a 1,tag a 2,remove - 1,pull a -", "pull a 2"},
		{"tag a 1,tag b 1,pull a -", "tag b 1,pull a -"},
		{"tag a 1,remove - 1,pull a -", "pull a -"},
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
