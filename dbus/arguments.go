package dbus

import (
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// batches are kept for readings of the past, whose buffers are large.
var batches = sync.Pool{New: func() any { return new(feed.Batch) }}

// decodeFilters reads filters. Too many of them are an error of the filters, not
// of the message: it is query that finds one more than there may be.
func decodeFilters(d *decoder) ([]string, error) {
	filters := d.strings(limits.Filters + 1)
	return filters, d.err
}

// value is the value of an option: one of these, as the type says.
type value struct {
	signature string
	text      string
	number    int64  // of every integer type but t
	big       uint64 // of t
	truth     bool
	labels    map[string]string
}

// variant reads a value of a type that some option has. Other types are not
// looked into.
func (d *decoder) variant() value {
	v := value{signature: d.signature()}
	switch v.signature {
	case "s", "o":
		v.text = d.string()
	case "b":
		v.truth = d.bool()
	case "y":
		v.number = int64(d.byte())
	case "n":
		v.number = int64(int16(d.uint16()))
	case "q":
		v.number = int64(d.uint16())
	case "i":
		v.number = int64(int32(d.uint32()))
	case "u":
		v.number = int64(d.uint32())
	case "x":
		v.number = int64(d.uint64())
	case "t":
		v.big = d.uint64()
	case "a{ss}":
		v.labels = make(map[string]string)
		d.dictionary(func(key string) { v.labels[key] = d.string() })
	default:
		d.skip(v.signature)
	}
	return v
}

// isInteger reports whether the value is of an integer type.
func (v *value) isInteger() bool {
	return len(v.signature) == 1 && strings.Contains("ynqiuxt", v.signature)
}

// integer returns the value of an integer type, and false if it is not in the
// range.
func (v *value) integer(least, most int64) (int64, bool) {
	n := v.number
	if v.signature == "t" {
		n = int64(min(v.big, 1<<63-1))
	}
	return n, n >= least && n <= most
}

// options are the options of a call: what is not known has been refused.
type options map[string]value

// anyInteger in a table of options stands for every integer type.
const anyInteger = "integer"

// decodeOptions reads options, or whatever else they are called, of which there
// are those in the table, with their types.
func decodeOptions(d *decoder, what string, table map[string]string) (options, error) {
	o := make(options)
	var wrong error
	d.dictionary(func(key string) {
		v := d.variant()
		signature, known := table[key]
		switch {
		case wrong != nil || d.err != nil:
		case !known:
			wrong = invalidArgs("there is no " + what + " '" + shorten(key) + "'; there are " + keysOf(table))
		case signature == anyInteger && !v.isInteger():
			wrong = invalidArgs(what + " '" + key + "' has to be an integer, such as u")
		case signature != anyInteger && signature != v.signature:
			wrong = invalidArgs(what + " '" + key + "' has to have the type " + signature)
		default:
			o[key] = v
		}
	})
	if d.err != nil {
		return nil, wrongBody(d.err)
	}
	return o, wrong
}

// shorten bounds what is repeated of a message in the answer.
func shorten(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:wholeRunes([]byte(s), 0, most)] + "…"
}

func keysOf(table map[string]string) string {
	keys := make([]string, 0, len(table))
	for key := range table {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return strings.Join(keys, ", ")
}

// request is what the calls that read have in common: filters and options.
type request struct {
	query   feed.Query
	options options
	until   time.Time // zero: no bound
	after   string    // a cursor, "" if none was given
}

// request reads filters and options, to the end of the body, and understands
// them.
func (k *call) request(d *decoder, table map[string]string) (*request, error) {
	filters, err := decodeFilters(d)
	if err != nil {
		return nil, wrongBody(err)
	}
	r := new(request)
	if r.options, err = decodeOptions(d, "option", table); err != nil {
		return nil, err
	}
	if err := d.done(); err != nil {
		return nil, wrongBody(err)
	}
	if r.query, err = k.query(filters, r.options["all_users"].truth); err != nil {
		return nil, err
	}
	return r, r.understand(time.Now())
}

// understand reads the options that bound what is asked for.
func (r *request) understand(now time.Time) error {
	if since, ok := r.options["since"]; ok {
		t, err := events.ParseTime(events.Since, since.text, now)
		if err != nil {
			return err
		}
		r.query.SetSince(t)
	}
	if until, ok := r.options["until"]; ok {
		t, err := events.ParseTime(events.Until, until.text, now)
		if err != nil {
			return err
		}
		r.until = t
		r.query.SetUntil(t)
	}
	after, ok := r.options["after"]
	switch {
	case !ok:
	case after.text == "":
		return &events.CursorError{Cursor: "", Reason: "it is empty; leave it out to begin with the oldest event"}
	case len(after.text) > limits.Cursor:
		return &events.CursorError{Cursor: shorten(after.text), Reason: "it is longer than any cursor"}
	case r.options["from_start"].truth:
		return invalidArgs("options 'after' and 'from_start' cannot be given together")
	}
	r.after = after.text
	return nil
}

// wantsHistory reports whether events of the past are asked for.
func (r *request) wantsHistory() bool {
	for _, key := range []string{"since", "until", "after"} {
		if _, ok := r.options[key]; ok {
			return true
		}
	}
	return r.options["from_start"].truth
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
	return query, k.conn.server.access.View(&k.peer.Peer, &query, allUsers)
}
