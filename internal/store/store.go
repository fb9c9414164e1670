// Package store is the log of events as the daemon needs it: records with a
// cursor, raw bytes and the few numbers that decide whether a record is wanted,
// in batches, with a position that joins history and what follows without gap
// or overlap.
//
// A store promises that records come in the order of the log, each once, and
// that a place which cannot be found again for certain is an
// *events.ExpiredError, never a guess. It knows no bus and no subscriber: those
// are the business of package feed and of the interfaces.
//
// Which store there is, logfile, journald or null, is decided by the caller that opens
// one.
package store

import (
	"context"
	"math"
	"strconv"
	"time"
	"unsafe"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/line"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// Pos is a place between two records of a store that is open: right after
// everything before it. Positions of one store are ordered. They mean
// nothing to another store, or after a restart: that is what cursors are for.
type Pos struct {
	// Generation counts the files, or journals, that took each other's place.
	Generation uint64
	// Offset is the place within the generation.
	Offset int64
}

// Before reports whether the position is nearer to the start of the log.
func (p Pos) Before(q Pos) bool {
	return p.Generation < q.Generation || p.Generation == q.Generation && p.Offset < q.Offset
}

// Record is one event as it lies in a store.
type Record struct {
	// Line is the event as a JSON object in the form of Podman's log, valid
	// UTF-8, without the newline.
	Line []byte
	// Fields are the places of the members in Line.
	Fields line.Fields
	// Cursor names the position right after the record.
	Cursor []byte
	// Pos is the position right after the record.
	Pos Pos
	// UID is the user whose engine it happened in; negative: not known.
	UID int64
	// Host is the host it happened on, where the store collects several.
	Host string
}

// ExitCode returns the exit code in decimal, nil if there is none. Podman before 5
// leaves out an exit code of 0, so a container's died or exec_died without one
// has that.
func (r *Record) ExitCode() []byte {
	f := &r.Fields
	if !f.Has(line.ExitCode) && filter.EndsProcess(f.Type, f.Status) {
		return zero
	}
	return f.Raw(r.Line, line.ExitCode)
}

var zero = []byte{'0'}

// View fills in what filters look at. The view shares the memory of the record.
func (r *Record) View(v *filter.View) {
	r.Fields.View(r.Line, v)
	v.UID, v.Host = r.UID, r.Host
}

// Event decodes the record.
func (r *Record) Event() events.Event {
	e := r.Fields.Event(r.Line)
	e.Cursor, e.Host = string(r.Cursor), r.Host
	if code, err := strconv.Atoi(string(r.ExitCode())); err == nil {
		e.ContainerExitCode = &code
	}
	if r.UID >= 0 {
		uid := uint32(r.UID)
		e.UID = &uid
	}
	return e
}

// Query is a choice of records. Since and Until are exclusive.
type Query struct {
	Filters *filter.Filters
	Since   int64 // nanoseconds since the epoch; NoSince: no bound
	Until   int64 // nanoseconds since the epoch; NoUntil: no bound
	UID     int64 // only events of this user; AnyUID: of every user
	// UnknownUser adds to those of UID the events whose user is not known.
	UnknownUser bool
}

// The values of a Query that leave a choice open.
const (
	NoSince int64 = math.MinInt64
	NoUntil int64 = math.MaxInt64
	AnyUID  int64 = -1
)

// Everything is the query that every record answers.
func Everything() Query { return Query{Since: NoSince, Until: NoUntil, UID: AnyUID} }

// ChoosesUsersOnly reports whether every record of a user whose events are
// chosen answers the query.
func (q *Query) ChoosesUsersOnly() bool {
	return q.Since == NoSince && q.Until == NoUntil && q.Filters.IsAll()
}

// HasUser reports whether events of the user are chosen; negative stands for a
// user who is not known.
func (q *Query) HasUser(uid int64) bool {
	return q.UID == AnyUID || uid == q.UID || q.UnknownUser && uid < 0
}

// SetSince sets the lower bound.
func (q *Query) SetSince(t time.Time) { q.Since = nanos.Of(t) }

// SetUntil sets the upper bound.
func (q *Query) SetUntil(t time.Time) { q.Until = nanos.Of(t) }

// Match reports whether the record answers the query.
func (q *Query) Match(r *Record) bool {
	f := &r.Fields
	if q.Since != NoSince && f.Time <= q.Since || q.Until != NoUntil && f.Time >= q.Until {
		return false
	}
	if !q.HasUser(r.UID) {
		return false
	}
	if q.Filters.IsAll() {
		return true
	}
	if !q.Filters.MayMatch(1<<f.Type, 1<<f.Status) {
		return false
	}
	var v filter.View
	r.View(&v)
	return q.Filters.Match(&v)
}

// Batch is what a reading yields at a time. Records and what they refer to are
// valid until the batch is used again.
type Batch struct {
	Records []Record
	// Buffer and Arena are memory for lines and cursors, kept from one use to
	// the next.
	Buffer []byte
	Arena  []byte
}

// Size returns about how many bytes of memory the batch takes.
func (b *Batch) Size() int {
	return cap(b.Buffer) + cap(b.Arena) + cap(b.Records)*int(unsafe.Sizeof(Record{}))
}

// Reading is one reader's way through the past of a store, from its start to
// the end of the store as it was when the reading began. It is not safe for
// concurrent use.
type Reading interface {
	// Next fills the batch with the next records that answer the query, at
	// least one unless the end has been reached, then io.EOF, with the batch
	// empty. Called again after io.EOF it goes on to the end of the store as it
	// is by then. If the store no longer holds what comes next, the error is
	// an *events.ExpiredError.
	Next(ctx context.Context, b *Batch) error
	// Pos returns the position reached, also after records that did not match.
	Pos() Pos
	// Cursor names the position reached.
	Cursor() (string, error)
	// Close frees what the reading holds.
	Close()
}

// Emission is what a store reports to its sink: new records, in order, each once.
type Emission struct {
	Records []Record
	// Pos is the position after the last record, or after what was skipped.
	Pos Pos
	// Cursor names Pos.
	Cursor string
	// Lost says that records may have been lost before these: the log was
	// replaced in a way that proves no continuity.
	Lost bool
}

// Sink takes what is new in a store. It is called by one goroutine at a time,
// and owns what it is given.
type Sink func(Emission)

// Start says where a reading begins.
type Start struct {
	// After is a cursor to begin after; empty: begin with the oldest event.
	After string
	// Pos is a position to begin at, instead of After, if HasPos.
	Pos    Pos
	HasPos bool
}

// Status is the state of a store.
type Status struct {
	Oldest, Newest time.Time // zero: no event
	Read           uint64    // events read since the store was opened, by the sink
	Written        uint64    // events written since the store was opened
	Skipped        uint64    // lines or entries that could not be decoded
	LastSkipped    string    // where the last of them is, and why
	Fault          string    // what keeps the store from being read or written now
}

// Written is what became of an event that was to be written.
type Written struct {
	// Cursor names the place after the event; empty if it was not written.
	Cursor string
	// Err is why it was not written, nil if it was.
	Err error
}

// Cursors returns the cursors of events that have all been written, or the first
// error.
func Cursors(results []Written) ([]string, error) {
	cursors := make([]string, len(results))
	for i := range results {
		if results[i].Err != nil {
			return nil, results[i].Err
		}
		cursors[i] = results[i].Cursor
	}
	return cursors, nil
}

// Store is a log of events. It is safe for concurrent use.
type Store interface {
	// Type is the kind of store.
	Type() events.EventerType
	// Path is where it lies: of the log file or of the journal directory, ""
	// if it is nowhere.
	Path() string
	// Follow begins to tell the sink what is new, from the end of the store as
	// it is now on, and returns that end and a cursor for it. It goes on until
	// Close. It is called once, before anything else but Type and Path.
	Follow(sink Sink) (Pos, string, error)
	// Attend says whether a reader wants to know at once what is new; at first
	// none does. A store that has to poll polls only then. Otherwise, as long as
	// nothing is written through it either, it may pass over what is new: the sink
	// gets an emission without records, so that positions and cursors stay true.
	// Reading the past needs no attention. Attend does not block, and does not
	// call the sink.
	Attend(wanted bool)
	// Probe returns nil once what follows the store has gone round once more,
	// through the locks that it takes for an event, so that it is alive; the
	// context's error if it has not by then. A store that cannot be read, and
	// knows it, is alive.
	Probe(ctx context.Context) error
	// Look gives the sink at once what is new, and returns when the sink has
	// it. It is for those who know that there is something.
	Look() error
	// Read begins a reading of the past.
	Read(ctx context.Context, start Start, query Query) (Reading, error)
	// Last finds the newest record, in the order of the store, that answers
	// the query; events.ErrEventNotFound if there is none. It is valid until
	// the batch is used again.
	Last(ctx context.Context, query Query, b *Batch) (*Record, error)
	// Append writes events and returns what became of each, in their order, once
	// those that can be written are in the store and the sink has them. An event
	// that cannot be written says nothing of the others: its error is an
	// *events.FieldError for a fault of the event itself, an
	// *events.UnavailableError for one of the store, or wraps that of the context.
	// Append keeps nothing of the events: their memory may be used for others,
	// unless there was an error that is no *events.FieldError.
	Append(ctx context.Context, batch []events.Event) []Written
	// Status returns the state of the store.
	Status() Status
	// Close ends following and frees what the store holds.
	Close() error
}
