package service

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// eventsInterface is the name of the interface of this project.
const eventsInterface = "io.podman.events"

// writeEvent is the one method that changes something, and writeEventMethod its
// full name.
const (
	writeEvent       = "WriteEvent"
	writeEventMethod = eventsInterface + "." + writeEvent
)

// eventsFace handles the calls of io.podman.events.
type eventsFace struct {
	feed    *feed.Feed
	format  *feed.Format // frames of Subscribe
	access  *access.Policy
	version string
	log     *slog.Logger

	lastFailure atomic.Pointer[string] // what was last logged, for logFailure
}

// registerAll registers io.podman.events, io.systemd.service and the interfaces
// of the options.
func (s *Server) registerAll() error {
	var err error
	if s.library, err = newLibrary(s.options.Version); err != nil {
		return err
	}
	if s.own, err = parseSchema(serviceDescription); err != nil {
		return err
	}
	face := &eventsFace{
		feed: s.options.Feed, format: s.options.Feed.Register(appendEventFrame), access: s.options.Access,
		version: s.options.Version, log: s.log,
	}
	s.face = face
	own := Interface{Dispatcher: iopodmanevents.VarlinkNew(face), Admit: face.admit, Unavailable: face.unavailable}
	systemd := &systemdFace{calls: s.options.Systemd, access: s.options.Access}
	for _, i := range append([]Interface{own, systemd.face()}, s.options.Interfaces...) {
		if err := s.register(i); err != nil {
			return err
		}
	}
	s.first = eventsInterface
	s.names = append(s.names, serviceInterface)
	slices.Sort(s.names)
	return nil
}

// admit refuses calls of methods that the caller may not use at all.
func (f *eventsFace) admit(c *Call, method string) error {
	if method == writeEvent {
		return f.access.Write(c.Peer(), c.ReadOnly())
	}
	return nil
}

// unavailable is what is said when a call cannot be served.
func (f *eventsFace) unavailable(reason string) (name string, parameters any) {
	e := f.backendUnavailable(reason)
	return e.name, e.parameters
}

// GetLastEvent answers with the newest matching event.
func (f *eventsFace) GetLastEvent(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string,
	allUsers *bool,
) error {
	call := CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	query, err := f.query(call, filters, allUsers)
	if err != nil {
		return f.fail(call, err, "")
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	leave, err := call.ReadPast(ctx)
	if err != nil {
		return f.fail(call, cause(ctx, err), "")
	}
	defer leave()
	batch := batches.Get().(*feed.Batch)
	defer batches.Put(batch)
	record, err := f.feed.Last(ctx, query, batch)
	if err != nil {
		return f.fail(call, cause(ctx, err), "")
	}
	frame := append(make([]byte, 0, 2*len(record.Line)+len(record.Cursor)+256), `{"parameters":{"event":`...)
	frame = eventjson.AppendEvent(frame, record)
	return call.WriteFrame(append(frame, "}}\x00"...))
}

// GetStatus answers with the state of the service.
func (f *eventsFace) GetStatus(ctx context.Context, c iopodmanevents.VarlinkCall) error {
	call := CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	if _, err := f.access.Read(call.Peer()); err != nil {
		return f.fail(call, err, "")
	}
	status := f.feed.Status()
	var path, oldest, newest, lastSkipped, fault *string
	if text := f.feed.Path(); text != "" {
		path = &text
	}
	if !status.Oldest.IsZero() {
		oldest = new(string(eventjson.AppendTime(nil, status.Oldest)))
	}
	if !status.Newest.IsZero() {
		newest = new(string(eventjson.AppendTime(nil, status.Newest)))
	}
	if status.LastSkipped != "" {
		lastSkipped = &status.LastSkipped
	}
	if status.Fault != "" {
		fault = &status.Fault
	}
	if !f.access.ReadsAll(call.Peer()) {
		// Where the events are kept, and what else there is, is not for everybody.
		path, lastSkipped = nil, nil
		if fault != nil {
			fault = new(hiddenReason)
		}
	}
	return c.ReplyGetStatus(ctx, f.version, f.feed.Type().String(), path, oldest, newest, int64(status.Read),
		int64(status.Written), int64(f.feed.Subscribers()), int64(status.Skipped), lastSkipped, fault)
}
