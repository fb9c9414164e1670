package cli

import (
	"context"
	"io"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/state"
)

// question is what --or-now asks.
func (f *waitFlags) question(withCommand bool) (*state.Question, error) {
	if withCommand || f.since != "" || f.afterCursor != "" {
		return nil, errors.New("a command, --since and --after-cursor say what else counts; give one of them")
	}
	return state.NewQuestion(f.filters)
}

// now returns the event that has made it so, if it is so, and else the cursor up to
// which it is known not to be.
func (r *eventsRun) now(ctx context.Context, c *client.Client, q *state.Question) (e events.Event, so bool, after string, err error) {
	h, err := c.History(ctx, client.Query{Filters: q.Filters, AllUsers: r.flags.allUsers})
	if err != nil {
		return e, false, "", err
	}
	defer h.Close()
	answer := q.NewAnswer()
	for {
		next, err := h.Next(ctx)
		if errors.Is(err, io.EOF) {
			e, so = answer.Event()
			return e, so, h.Cursor(), nil
		}
		if err != nil {
			return e, false, "", err
		}
		if !answer.Add(next) {
			return e, false, "", errors.New("the filters match too many objects to say what is so now; narrow them")
		}
	}
}
