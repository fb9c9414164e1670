package dbus

import (
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// batches are kept for readings of the past, whose buffers are large.
var batches = sync.Pool{New: func() any { return new(feed.Batch) }}

// decodeFilters reads filters. Too many of them are an error of the filters, not
// of the message: it is query that finds one more than there may be.
func decodeFilters(d *dbuswire.Decoder) []string { return d.Texts(limits.Filters + 1) }

// request is what the calls that read have in common: filters and options.
type request struct {
	query   feed.Query
	options dbuswire.Values
	until   time.Time // zero: no bound
	after   string    // a cursor, "" if none was given
}

// request reads filters and options, to the end of the body, and understands
// them.
func (k *call) request(d *dbuswire.Decoder, table map[string]string) (*request, error) {
	filters := decodeFilters(d)
	r := new(request)
	var err error
	if r.options, err = d.Options("option", table); err != nil {
		return nil, err
	}
	if err := d.Done(); err != nil {
		return nil, err
	}
	if r.query, err = k.query(filters, r.options["all_users"].Truth); err != nil {
		return nil, err
	}
	return r, r.understand(time.Now())
}

// understand reads the options that bound what is asked for.
func (r *request) understand(now time.Time) error {
	if since, ok := r.options["since"]; ok {
		t, err := events.ParseTime(events.Since, since.Text, now)
		if err != nil {
			return err
		}
		r.query.SetSince(t)
	}
	if until, ok := r.options["until"]; ok {
		t, err := events.ParseTime(events.Until, until.Text, now)
		if err != nil {
			return err
		}
		r.until = t
		r.query.SetUntil(t)
	}
	after, ok := r.options["after"]
	switch {
	case !ok:
	case after.Text == "":
		return &events.CursorError{Cursor: "", Reason: "it is empty; leave it out to begin with the oldest event"}
	case len(after.Text) > limits.Cursor:
		return &events.CursorError{Cursor: dbuswire.Shorten(after.Text), Reason: "it is longer than any cursor"}
	case r.options["from_start"].Truth:
		return dbuswire.InvalidArgs("options 'after' and 'from_start' cannot be given together")
	}
	r.after = after.Text
	return nil
}

// wantsHistory reports whether events of the past are asked for.
func (r *request) wantsHistory() bool {
	for _, key := range []string{"since", "until", "after"} {
		if _, ok := r.options[key]; ok {
			return true
		}
	}
	return r.options["from_start"].Truth
}

// query returns the choice of events that the filters make among those that the
// caller gets.
func (k *call) query(filters []string, allUsers bool) (query feed.Query, err error) {
	query = feed.Everything()
	if err := core.CheckFilters(filters); err != nil {
		return query, err
	}
	if query.Filters, err = events.ParseFilters(filters); err != nil {
		return query, err
	}
	return query, k.server.access.View(who(k.Peer()), &query, allUsers)
}
