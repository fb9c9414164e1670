package cli

import (
	"context"
	"io"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
)

// allLines is --lines where it is not given; mostLines bounds the memory for it.
const (
	allLines  = -1
	mostLines = 100_000
)

func (f *eventsFlags) checkLines() error {
	switch {
	case f.lines == allLines:
		return nil
	case f.lines < 0 || f.lines > mostLines:
		return errors.Errorf("cannot use --lines %d: must be between 0 and %d", f.lines, mostLines)
	case f.afterCursor != "" || f.cursorFile != "":
		return errors.New("cannot use --lines with a cursor, which says where to begin; give one of them")
	}
	return nil
}

// printLast prints the last events of the past that match, and returns the cursor
// after them. The past has to be read for that: it is as fast as a history.
func (r *eventsRun) printLast(ctx context.Context, c *client.Client) (after string, err error) {
	f := r.flags
	h, err := c.History(ctx, client.Query{Filters: f.filters, Since: f.since, Until: f.until, AllUsers: f.allUsers})
	if err != nil {
		return "", err
	}
	defer h.Close()
	var last []events.Event // a ring once it is full
	next := 0
	for {
		e, err := h.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err != nil:
			return "", err
		case f.lines == 0:
		case len(last) < f.lines:
			last = append(last, e)
		default:
			last[next] = e
			next = (next + 1) % f.lines
		}
	}
	for i := range last {
		e := last[(next+i)%len(last)]
		e.Time = e.Time.Local()
		if err := r.print(r.out, &e); err != nil {
			return "", err
		}
	}
	return h.Cursor(), r.out.Flush()
}
