package service

import (
	"context"
	"time"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/varlinkwire"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// eventsInterface is the name of this project's interface, and writeEvent its only
// method that changes something.
const (
	eventsInterface = "io.podman.events"
	writeEvent      = "WriteEvent"
)

// handler is the interface io.podman.events.
type handler struct {
	core    *core.Core
	format  *feed.Format // frames of Subscribe
	version string
}

// admit refuses calls of methods that the caller may not use at all.
func (f *handler) admit(c *varlinkwire.Call, method string) error {
	if method == writeEvent {
		return f.core.Access().Write(peer(c.Peer()), c.ReadOnly())
	}
	return nil
}

// unavailable returns the error for a call that cannot be served.
func (f *handler) unavailable(reason string) (name string, parameters any) {
	e := spell(f.core.Unavailable(reason))
	return e.Name, e.Parameters
}

// query makes a query of the parameters that select events.
func query(filters *[]string, since, until, after *string, fromStart, allUsers *bool) (core.Query, error) {
	p := core.Parameters{
		Since: since, Until: until, After: after, FromStart: fromStart != nil && *fromStart, AllUsers: allUsers != nil && *allUsers,
	}
	if filters != nil {
		p.Filters = *filters
	}
	return p.Query(time.Now())
}

// GetLastEvent answers with the newest matching event.
func (f *handler) GetLastEvent(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string, allUsers *bool) error {
	call := varlinkwire.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	q, err := query(filters, nil, nil, nil, nil, allUsers)
	if err != nil {
		return f.fail(call, err, "")
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	err = f.core.Last(ctx, Caller(call), q, func(r *feed.Record) error {
		frame := append(make([]byte, 0, 2*len(r.Line)+len(r.Cursor)+256), `{"parameters":{"event":`...)
		frame = eventjson.AppendEvent(frame, r)
		return sent(call.WriteFrame(append(frame, "}}\x00"...)))
	})
	if err != nil {
		return f.fail(call, err, "")
	}
	return nil
}

// sent marks an error from writing to the client.
func sent(err error) error {
	if err != nil {
		return writeError{err}
	}
	return nil
}

// GetState answers with the present state of objects.
func (f *handler) GetState(ctx context.Context, c iopodmanevents.VarlinkCall, filters *[]string, since *string, allUsers *bool) error {
	call := varlinkwire.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	p := core.Parameters{Since: since, AllUsers: allUsers != nil && *allUsers}
	if filters != nil {
		p.Filters = *filters
	}
	ctx, stop, err := call.Watch(ctx)
	if err != nil {
		return f.fail(call, err, "")
	}
	defer stop()
	s, err := f.core.State(ctx, Caller(call), p)
	if err != nil {
		return f.fail(call, err, "")
	}
	objects := make([]iopodmanevents.ObjectState, len(s.Objects))
	for i, o := range s.Objects {
		w := iopodmanevents.ObjectState{
			Type: iopodmanevents.EventType(o.Type.Varlink()), Status: iopodmanevents.EventStatus(o.Status.Varlink()),
			Since: string(eventjson.AppendTime(nil, o.Since)), Id: optional(o.ID), Name: optional(o.Name), Image: optional(o.Image),
			HealthStatus: optional(o.Health), Restarts: int64(o.Restarts), Host: optional(o.Host),
		}
		if o.ExitCode != nil {
			w.ExitCode = new(int64(*o.ExitCode))
		}
		if o.Health != "" {
			w.HealthSince = optionalTime(o.HealthSince)
		}
		if o.UID != nil {
			w.Uid = new(int64(*o.UID))
		}
		objects[i] = w
	}
	return c.ReplyGetState(ctx, objects, s.Cursor, optionalTime(s.Oldest))
}

// GetStatus answers with the state of the service.
func (f *handler) GetStatus(ctx context.Context, c iopodmanevents.VarlinkCall) error {
	call := varlinkwire.CallOf(c.Conn)
	if call.Oneway() {
		return nil
	}
	s, err := f.core.Status(Caller(call))
	if err != nil {
		return f.fail(call, err, "")
	}
	return c.ReplyGetStatus(ctx, f.version, s.Backend, optional(s.Path), optionalTime(s.Oldest), optionalTime(s.Newest), int64(s.Read),
		int64(s.Written), int64(s.Subscribers), int64(s.Skipped), optional(s.LastSkipped), optional(s.Fault))
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func optionalTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	return new(string(eventjson.AppendTime(nil, t)))
}
