package state_test

import (
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/state"
)

// history returns events of containers, written as "NAME[/ID] STATUS [CODE OR VERDICT]".
func history(text string) (all []events.Event) {
	for i, line := range strings.Split(text, ",") {
		words := strings.Fields(line)
		name, id, _ := strings.Cut(words[0], "/")
		e := events.Event{Type: events.Container, Name: name, ID: id, Status: events.Status(words[1]), Cursor: string(rune('a' + i))}
		if len(words) > 2 && e.Status == events.HealthStatus {
			e.HealthStatus = words[2]
		} else if len(words) > 2 {
			code := int(words[2][0] - '0')
			e.ContainerExitCode = &code
		}
		all = append(all, e)
	}
	return all
}

func TestQuestion_newestThatDecides(t *testing.T) {
	for _, test := range []struct{ filters, history, want string }{
		{"container=db event=start", "db create,db start", "b"},
		{"container=db event=start", "db create,db start,db died 0", ""},
		{"container=db event=start", "db start,db died 0,db restart", ""},
		{"container=db event=start event=restart", "db start,db died 0,db restart", "c"},
		{"container=db event=start", "db start,db remove", ""},
		{"container=db event=start", "db start,db died 0,db remove,db create,db start", "e"},
		{"container=db event=start", "web start", ""},
		{"container=job event=died", "job start,job died 0,job remove", "b"},
		{"container=job event=died", "job start,job died 0,job remove,job create", ""},
		{"container=job event=died exit-code!=0", "job start,job died 3", "b"},
		{"container=job event=died exit-code!=0", "job start,job died 0", ""},
		{"container=job exit-code=3", "job start,job died 3", "b"},
		{"container=db health=healthy", "db start,db health_status starting,db health_status healthy", "c"},
		{"container=db health=healthy", "db start,db health_status healthy,db health_status unhealthy", ""},
		{"container=db health=healthy", "db start,db health_status healthy,db died 1,db start", ""},
		{"container=db health!=healthy event=health_status", "db health_status unhealthy", "a"},
		{"event=start", "a start,b start,a died 0", "b"},
		{"event=start", "a start,b start,a start", "c"},
		{"container=db event=remove", "db create,db remove", "b"},
		{"name=img event=pull", "img pull,img untag", ""},
		{"name=img event=pull event=tag", "img pull,img untag,img tag", "c"},
		{"container=db event=rm", "db create,db remove,db create", ""},
		{"container=new event=start", "old/1 start,new/1 rename", "a"},
		{"container=old event=start", "old/1 start,new/1 rename", ""},
		{"container=old event=start", "old/1 start,new/1 rename,old/2 start", "c"},
		{"container=old event=start", "old/1 start,new/1 rename,old/1 rename", "a"},
		{"container=new event=start", "new/9 start,new/9 died 0,new/9 remove,old/1 start,new/1 rename", "d"},
		{"container=new event=died", "new/9 died 0,old/1 start,new/1 rename", ""},
		{"container=new event=died", "old/1 start,new/1 rename,new/1 died 0", "c"},
		{"container=1 event=start", "old/1 start,new/1 rename", "a"},
		{"name=n* event=start", "old/1 start,new/1 rename", "a"},
		{"name!=old event=start", "old/1 start,new/1 rename", "a"},
		{"container=new health=healthy", "old/1 start,old/1 health_status healthy,new/1 rename", "b"},
	} {
		q, err := state.NewQuestion(strings.Fields(test.filters))
		if err != nil {
			t.Fatal(err)
		}
		each := func(filters []string, add func(*events.Event) bool) {
			parsed, err := events.ParseFilters(filters)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range history(test.history) {
				if parsed.Match(&e) && !add(&e) {
					t.Fatal("too many objects")
				}
			}
		}
		if renames := q.Renames(); renames != nil {
			each(renames, q.AddRename)
		}
		answer := q.NewAnswer()
		each(q.Filters(), func(e *events.Event) bool { return !q.Takes(e) || answer.Add(*e) })
		if e, ok := answer.Event(); e.Cursor != test.want || ok != (test.want != "") {
			t.Errorf("%s after %s: %q, %v, want %q", test.filters, test.history, e.Cursor, ok, test.want)
		}
	}
}

func TestQuestion_aboutNoState(t *testing.T) {
	for _, filters := range []string{"", "container=db", "event=exec", "event!=start", "health=changed", "event=nope"} {
		if q, err := state.NewQuestion(strings.Fields(filters)); err == nil {
			t.Errorf("%q: %+v", filters, q)
		}
	}
}
