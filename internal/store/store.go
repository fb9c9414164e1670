// Package store is the log of events as the daemon needs it: records with a cursor, raw
// bytes and the few numbers that decide whether a record is wanted, in batches, with
// positions at which history and new events join without gap or overlap.
//
// A store promises that records are in the order of the log, each once, and that a
// place which cannot be found again with certainty is an *events.ExpiredError, never a
// guess. It knows no bus and no subscriber: those belong to package feed and the
// interfaces.
//
// The caller that opens a store decides which kind it is: logfile, journald or null.
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

// Pos is a place between two records of an open store: after everything before it.
// Positions of one store are ordered. They have no meaning for another store, or after
// a restart: use cursors for that.
type Pos struct {
	// Generation numbers the files, or journals, that replaced each other.
	Generation uint64
	// Offset is the place within the generation.
	Offset int64
}

// Before reports whether the position is nearer to the start of the log.
func (p Pos) Before(q Pos) bool {
	return p.Generation < q.Generation || p.Generation == q.Generation && p.Offset < q.Offset
}

// Record is one event as it is in a store.
type Record struct {
	// Line is the event as a JSON object in the form of Podman's log, valid
	// UTF-8, without the newline.
	Line []byte
	// Fields are the places of the members in Line.
	Fields line.Fields
	// Cursor is the cursor of the position right after the record.
	Cursor []byte
	// Pos is the position right after the record.
	Pos Pos
	// UID is the user whose engine reported it; negative: unknown.
	UID int64
	// Host is its host, where the store collects several.
	Host string
}

// ExitCode returns the exit code in decimal, nil if there is none. Podman before 5
// omits an exit code of 0, so a died or exec_died without a code has 0.
func (r *Record) ExitCode() []byte {
	f := &r.Fields
	if !f.Has(line.ExitCode) && filter.EndsProcess(f.Type, f.Status) {
		return zero
	}
	return f.Raw(r.Line, line.ExitCode)
}

var zero = []byte{'0'}

// View fills in what filters read. The view shares the record's memory.
func (r *Record) View(v *filter.View) {
	r.Fields.View(r.Line, v)
	v.UID, v.Host = r.UID, r.Host
}

// When returns the time of the event, without decoding the rest.
func (r *Record) When() time.Time { return r.Fields.When(r.Line) }

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

// Query selects records. Since and Until are exclusive.
type Query struct {
	Filters *filter.Filters
	Since   int64 // nanoseconds since the epoch; NoSince: no bound
	Until   int64 // nanoseconds since the epoch; NoUntil: no bound
	UID     int64 // only events of this user; AnyUID: of every user
	// UnknownUser adds the events of unknown users to those of UID.
	UnknownUser bool
}

// The values of a Query that mean no restriction.
const (
	NoSince int64 = math.MinInt64
	NoUntil int64 = math.MaxInt64
	AnyUID  int64 = -1
)

// Everything returns the query that every record matches.
func Everything() Query { return Query{Since: NoSince, Until: NoUntil, UID: AnyUID} }

// ChoosesUsersOnly reports whether every record of a selected user matches the query.
func (q *Query) ChoosesUsersOnly() bool {
	return q.Since == NoSince && q.Until == NoUntil && q.Filters.IsAll()
}

// HasUser reports whether events of the user are selected; negative: the unknown user.
func (q *Query) HasUser(uid int64) bool {
	return q.UID == AnyUID || uid == q.UID || q.UnknownUser && uid < 0
}

// SetSince sets the lower bound.
func (q *Query) SetSince(t time.Time) { q.Since = nanos.Of(t) }

// SetUntil sets the upper bound.
func (q *Query) SetUntil(t time.Time) { q.Until = nanos.Of(t) }

// Match reports whether the record matches the query.
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

// Batch is what a reading returns at a time. Records and what they refer to are valid
// until the batch is used again.
type Batch struct {
	Records []Record
	// Buffer and Arena are memory for lines and cursors, reused with the batch.
	Buffer []byte
	Arena  []byte
}

// Size returns about how many bytes of memory the batch takes.
func (b *Batch) Size() int {
	return cap(b.Buffer) + cap(b.Arena) + cap(b.Records)*int(unsafe.Sizeof(Record{}))
}

// Reading reads the past of a store for one reader, from its start to the end of the
// store at the time when the reading began. It is not safe for concurrent use.
type Reading interface {
	// Next fills the batch with the next records that match the query, at least one. At
	// the end the error is io.EOF, with the batch empty. Called again after io.EOF, it
	// continues to the end of the store at that time. If the store no longer holds what
	// follows, the error is an *events.ExpiredError.
	Next(ctx context.Context, b *Batch) error
	// Pos returns the current position, which may be after records that did not match.
	Pos() Pos
	// Cursor returns the cursor of the current position.
	Cursor() (string, error)
	// Close frees the reading's resources.
	Close()
}

// Emission is what a store reports to its sink: new records, in order, each once.
type Emission struct {
	Records []Record
	// Pos is the position after the last record, or after what was skipped.
	Pos Pos
	// Cursor is the cursor of Pos.
	Cursor string
	// Lost: records may have been lost before these, because the log was replaced in a
	// way that does not prove continuity.
	Lost bool
}

// Sink receives what is new in a store. It is called by one goroutine at a time, and
// owns what it gets.
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
	Oldest, Newest time.Time // zero: no events
	Read           uint64    // events read since the store was opened, by the follower
	Written        uint64    // events written since the store was opened
	Skipped        uint64    // lines or entries that could not be decoded
	LastSkipped    string    // where the last of them is, and the reason
	Fault          string    // why the store cannot be read or written now
}

// Written is the result of writing an event.
type Written struct {
	// Cursor is the cursor of the place after the event; empty if it was not written.
	Cursor string
	// Err is why it was not written, nil if it was.
	Err error
}

// Cursors returns the cursors of events if all have been written, otherwise the first
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
	// Type returns the kind of store.
	Type() events.EventerType
	// Path returns the path of the log file or of the journal directory, "" if there is
	// none.
	Path() string
	// Follow begins to hand the sink what is new after the current end of the store,
	// and returns that end and its cursor. It continues until Close. It is called once,
	// before anything else except Type and Path.
	Follow(sink Sink) (Pos, string, error)
	// Attend sets whether a reader wants new events at once; at first none does. A
	// store that has to poll polls only while it is set. While it is not set, and
	// nothing is written through the store, the store may skip new events: the sink
	// then gets an emission without records, so that positions and cursors stay
	// correct. Reading the past does not need it. Attend neither blocks nor calls the
	// sink.
	Attend(wanted bool)
	// Probe returns nil once what follows the store has completed one more iteration,
	// through the locks that it takes for an event, and so is alive; otherwise the
	// context's error. A store that cannot be read, and reports that, is alive.
	Probe(ctx context.Context) error
	// Look hands the sink what is new at once, and returns when the sink has it. It is
	// for callers that know that there is something new.
	Look() error
	// Read begins a reading of the past.
	Read(ctx context.Context, start Start, query Query) (Reading, error)
	// Last finds the newest record, in the order of the store, that matches the query;
	// the error is events.ErrEventNotFound if there is none. The record is valid until
	// the batch is used again.
	Last(ctx context.Context, query Query, b *Batch) (*Record, error)
	// Append writes events and returns their results, in order, once those that can be
	// written are in the store and the sink has them. One event that cannot be written
	// does not affect the others: its error is an *events.FieldError for a fault of the
	// event itself, an *events.UnavailableError for one of the store, or wraps the
	// context's error. Append does not keep the events' memory, unless there was an
	// error other than *events.FieldError.
	Append(ctx context.Context, batch []events.Event) []Written
	// Status returns the state of the store.
	Status() Status
	// Close stops following and frees the store's resources.
	Close() error
}
