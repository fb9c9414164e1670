package cli

import (
	"context"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/state"
)

// question returns the question of --or-now.
func (f *waitFlags) question(withCommand bool) (*state.Question, error) {
	if withCommand || f.since != "" || f.afterCursor != "" {
		return nil, errors.New("it excludes a command, --since and --after-cursor; give one of them")
	}
	return state.NewQuestion(f.filters)
}

// now returns the event since which the state holds, if it does, and otherwise the
// cursor up to which it does not.
func (r *eventsRun) now(ctx context.Context, c *client.Client, q *state.Question) (e events.Event, so bool, after string, err error) {
	if renames := q.Renames(); renames != nil {
		if _, err := r.each(ctx, c, renames, q.AddRename); err != nil {
			return e, false, "", err
		}
	}
	answer := q.NewAnswer()
	after, err = r.each(ctx, c, q.Filters(), func(e *events.Event) bool { return !q.Takes(e) || answer.Add(*e) })
	if err != nil {
		return e, false, "", err
	}
	e, so = answer.Event()
	return e, so, after, nil
}

// each calls a function with each past event that matches the filters, and returns the
// cursor after them.
func (r *eventsRun) each(ctx context.Context, c *client.Client, filters []string, add func(*events.Event) bool) (cursor string, err error) {
	h, err := c.History(ctx, client.Query{Filters: filters, AllUsers: r.flags.allUsers})
	if err != nil {
		return "", err
	}
	defer h.Close()
	for e, err := range h.All(ctx) {
		if err != nil {
			return "", err
		}
		if !add(&e) {
			return "", errors.New("cannot determine the state of so many objects; narrow the filters")
		}
	}
	return h.Cursor(), nil
}
