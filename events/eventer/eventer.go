// Package eventer opens the stores of container events for programs that want to read
// and write them in their own process, in libpod's shape:
//
//	e, err := eventer.New(events.EventerOptions{EventerType: "file", LogFilePath: "/run/libpod/events/events.log"})
//	...
//	results := make(chan events.ReadResult, 1)
//	go func() { err = e.Read(ctx, events.ReadOptions{EventChannel: results, FromStart: true}) }()
//	for r := range results {
//		...
//	}
//
// Read returns what Podman wrote, in the order of the store, each event once, even
// while Podman rotates its log. Where this is not certain it returns an
// *events.ExpiredError; it never silently leaves events out.
package eventer

import (
	"context"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/store"
	"github.com/eventsvc/eventsvc/internal/store/journald"
	"github.com/eventsvc/eventsvc/internal/store/logfile"
	"github.com/eventsvc/eventsvc/internal/store/null"
)

// New opens a store. The Eventer is also an io.Closer; it follows the store from the
// first Read that needs it until it is closed.
func New(options events.EventerOptions) (events.Eventer, error) {
	switch events.EventerType(options.EventerType) {
	case events.LogFile:
		if options.LogFileMaxSize > math.MaxInt64 {
			return nil, errors.Errorf("cannot open the log: a size of %d bytes is too much", options.LogFileMaxSize)
		}
		st, err := logfile.Open(logfile.Options{Path: options.LogFilePath, MaxSize: int64(options.LogFileMaxSize)})
		if err != nil {
			return nil, err
		}
		return newEventer(st), nil
	case events.Null:
		return newEventer(new(null.Store)), nil
	case events.Journald:
		st, err := journald.Open(journald.Options{})
		if err != nil {
			return nil, err
		}
		return newEventer(st), nil
	}
	return nil, errors.Errorf("cannot open a store of type %q: the types are %q", options.EventerType, []events.EventerType{events.LogFile, events.Journald, events.Null})
}

// eventer is a store in libpod's shape.
type eventer struct {
	st store.Store

	once      sync.Once
	followErr error

	mu      sync.Mutex
	more    chan struct{} // closed when there is something new
	streams int           // that wait for it
}

func newEventer(st store.Store) *eventer { return &eventer{st: st, more: make(chan struct{})} }

// String returns the kind of store.
func (e *eventer) String() string { return string(e.st.Type()) }

// Close closes the store.
func (e *eventer) Close() error { return e.st.Close() }

// Write appends an event to the store.
func (e *eventer) Write(event events.Event) error {
	_, err := store.Cursors(e.st.Append(context.Background(), []events.Event{event}))
	return err
}

// take is the store's sink: it wakes the readers that wait for something new.
func (e *eventer) take(store.Emission) {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.more)
	e.more = make(chan struct{})
}

// attend counts the readers that wait for something new.
func (e *eventer) attend(streams int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.streams
	if e.streams += streams; (before == 0) != (e.streams == 0) {
		e.st.Attend(e.streams > 0)
	}
}

func (e *eventer) waiting() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.more
}

// Read sends the events that the options ask for.
func (e *eventer) Read(ctx context.Context, options events.ReadOptions) error {
	defer close(options.EventChannel)
	query, until, err := parse(&options)
	if err != nil {
		return err
	}
	if e.st.Type() == events.Journald && !query.Filters.ChooseUsers() {
		query.UID = int64(os.Geteuid())
	}
	e.once.Do(func() { _, _, e.followErr = e.st.Follow(e.take) })
	if e.followErr != nil {
		return e.followErr
	}
	changes := query.Filters.Changes()
	if options.Stream {
		e.attend(1)
		defer e.attend(-1)
	}
	reading, err := e.st.Read(ctx, store.Start{}, query)
	if err != nil {
		return err
	}
	defer func() { reading.Close() }()
	if options.Stream && !options.FromStart && options.Since == "" && options.Until == "" {
		if reading, err = e.fromNow(ctx, reading, query); err != nil {
			return err
		}
	}
	for {
		more := e.waiting()
		if err := send(ctx, reading, changes, &options); err != nil {
			return err
		}
		if !options.Stream || !until.IsZero() && !time.Now().Before(until) {
			return nil
		}
		if err := wait(ctx, more, until); err != nil {
			return err
		}
	}
}

// fromNow replaces a reading by one that begins at the end of the store.
func (e *eventer) fromNow(ctx context.Context, reading store.Reading, query store.Query) (store.Reading, error) {
	nothing := store.Everything()
	nothing.Since = math.MaxInt64
	end, err := e.st.Read(ctx, store.Start{}, nothing)
	if err != nil {
		return reading, err
	}
	defer end.Close()
	var b store.Batch
	if err := end.Next(ctx, &b); err != nil && !errors.Is(err, io.EOF) {
		return reading, err
	}
	fresh, err := e.st.Read(ctx, store.Start{Pos: end.Pos(), HasPos: true}, query)
	if err != nil {
		return reading, err
	}
	reading.Close()
	return fresh, nil
}

// parse turns the options into a query, and the time at which a stream ends.
func parse(options *events.ReadOptions) (query store.Query, until time.Time, err error) {
	query, now := store.Everything(), time.Now()
	if query.Filters, err = filter.Parse(options.Filters); err != nil {
		return query, until, err
	}
	if options.Since != "" {
		since, err := events.ParseTime(events.Since, options.Since, now)
		if err != nil {
			return query, until, err
		}
		query.SetSince(since)
	}
	if options.Until != "" {
		if until, err = events.ParseTime(events.Until, options.Until, now); err != nil {
			return query, until, err
		}
		query.SetUntil(until)
	}
	return query, until, nil
}

// send sends everything that the store holds now.
func send(ctx context.Context, reading store.Reading, changes *filter.Changes, options *events.ReadOptions) error {
	var b store.Batch
	for {
		err := reading.Next(ctx, &b)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Records {
			if changes != nil {
				var v filter.View
				if b.Records[i].View(&v); !changes.Match(&v) {
					continue
				}
			}
			event := b.Records[i].Event()
			select {
			case options.EventChannel <- events.ReadResult{Event: &event}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// wait returns when there is something new, or until has passed.
func wait(ctx context.Context, more <-chan struct{}, until time.Time) error {
	var passed <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-more:
	case <-passed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
