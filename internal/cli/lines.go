package cli

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// allLines is the value of --lines if it is not given; mostLines bounds the memory for
// it.
const (
	allLines  = math.MinInt
	mostLines = 100_000
)

// lineCount is the value of --lines.
type lineCount int

func (n *lineCount) String() string { return strconv.Itoa(int(*n)) }

func (n *lineCount) Type() string { return "int" }

// Set refuses +N, which means the first lines to journalctl and the last ones to
// others.
func (n *lineCount) Set(text string) error {
	if number, first := strings.CutPrefix(text, "+"); first {
		return errors.Errorf("the last events are chosen; for the first ones give --since @0 --stream=false | head -n %s", number)
	}
	count, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("give a number; for all past events give --since @0")
	}
	*n = lineCount(count)
	return nil
}

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

// printLast prints the last matching past events, and returns the cursor after them.
func (r *eventsRun) printLast(ctx context.Context, c *client.Client) (after string, err error) {
	last, after, err := r.last(ctx, c)
	if err != nil {
		return "", err
	}
	for i := range last {
		last[i].Time = last[i].Time.Local()
		if err := r.print(r.out, &last[i]); err != nil {
			return "", err
		}
	}
	return after, r.out.Flush()
}

// The first time range that is searched for the last events, and by how much each
// further one is longer: together they are little longer than the last one.
const (
	firstSpan = time.Minute
	longer    = 8
)

// last returns the last matching past events, and the cursor after them. It goes back
// in time ranges, so that the work depends on how many events are wanted and not on how
// many there are.
func (r *eventsRun) last(ctx context.Context, c *client.Client) (last []events.Event, after string, err error) {
	f := r.flags
	q := client.Query{Filters: f.filters, Since: f.since, Until: f.until, AllUsers: f.allUsers}
	status, err := c.GetStatus(ctx)
	if err != nil {
		return nil, "", err
	}
	if f.lines == 0 && !status.Newest.IsZero() {
		return lastOf(ctx, c, client.Query{Filters: f.filters, Since: status.Newest.UTC().Format(time.RFC3339Nano), AllUsers: f.allUsers}, nil, 0)
	}
	since, _ := time.Parse(time.RFC3339Nano, f.since) // zero if it was not given
	for span, from := firstSpan, r.backFrom(status); !from.IsZero(); span *= longer {
		start := from.Add(-span)
		if !start.After(status.Oldest) || !start.After(since) {
			break // reading everything is as fast
		}
		// Events need not be ordered by time. So the time only determines where to
		// begin, and from there on the order is the store's.
		first := q
		first.Since, first.Limit = start.UTC().Format(time.RFC3339Nano), 1
		page, err := c.GetEvents(ctx, first)
		switch {
		case err != nil:
			return nil, "", err
		case len(page.Events) == 0:
			continue
		}
		rest := q
		rest.After = page.Events[0].Cursor
		last, after, err = lastOf(ctx, c, rest, page.Events, int(f.lines))
		var expired *events.ExpiredError
		if err != nil && !errors.As(err, &expired) || len(last) == int(f.lines) {
			return last, after, err
		}
	}
	return lastOf(ctx, c, q, nil, int(f.lines))
}

// backFrom returns the time to go back from, zero if everything has to be read: the
// result of health=changed depends on everything before.
func (r *eventsRun) backFrom(status *client.Status) time.Time {
	parsed, err := filter.Parse(r.flags.filters)
	if err != nil || parsed.Changes() != nil {
		return time.Time{}
	}
	from := status.Newest
	if until, err := time.Parse(time.RFC3339Nano, r.flags.until); err == nil && until.Before(from) {
		from = until
	}
	return from
}

// lastOf returns the last events of those given and those that a query returns after
// them, and the cursor at the end.
func lastOf(ctx context.Context, c *client.Client, q client.Query, last []events.Event, most int) ([]events.Event, string, error) {
	h, err := c.History(ctx, q)
	if err != nil {
		return nil, "", err
	}
	defer h.Close()
	next := 0 // index of the oldest in last, which is a ring once it is full
	for e, err := range h.All(ctx) {
		switch {
		case err != nil:
			return nil, "", err
		case most == 0:
		case len(last) < most:
			last = append(last, e)
		default:
			last[next] = e
			next = (next + 1) % most
		}
	}
	return append(last[next:len(last):len(last)], last[:next]...), h.Cursor(), nil
}
