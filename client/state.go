package client

import (
	"context"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// StateQuery selects objects. The zero value selects all of the caller's own.
type StateQuery struct {
	// Filters are strings in the form that events.ParseFilters parses. Those on event,
	// health and exit-code select by the present state.
	Filters []string
	// Since bounds the restarts that are counted, in the forms that events.ParseTime
	// parses; empty means all in the store.
	Since string
	// AllUsers selects the objects of every user that the caller may read.
	AllUsers bool
}

// State is the present state of objects, as far as the events in the store show it.
type State struct {
	// Objects are those that were created and not removed, in the order of their last
	// change.
	Objects []ObjectState
	// Cursor is up to where events were read: give it as After to Subscribe or History,
	// and no event is missed between the two calls.
	Cursor string
	// Oldest is the time of the oldest event in the store, before which nothing is
	// known; zero if there is none.
	Oldest time.Time
}

// ObjectState is the present state of one object. What the events do not show is zero.
type ObjectState struct {
	Type events.Type
	// Status is the newest status that changed the state, and Since its time.
	Status          events.Status
	Since           time.Time
	ID, Name, Image string
	// ExitCode is that of a container whose Status is died, otherwise nil.
	ExitCode *int
	// HealthStatus is the newest verdict since the container was started, and
	// HealthSince the time since which it has been the same.
	HealthStatus string
	HealthSince  time.Time
	// Restarts is how often the container was restarted.
	Restarts int
	// UID is the user whose Podman has the object, and Host its host, where the store
	// knows them.
	UID  *uint32
	Host string
}

// GetState returns the present state of objects, at most 1000. If there are more, the
// error is an *events.FilterError.
func (c *Client) GetState(ctx context.Context, q StateQuery) (*State, error) {
	parameters := struct {
		Filters  []string `json:"filters,omitempty"`
		Since    string   `json:"since,omitempty"`
		AllUsers bool     `json:"allUsers,omitempty"`
	}(q)
	var reply struct {
		Objects []iopodmanevents.ObjectState
		Cursor  string
		Oldest  time.Time
	}
	if err := c.call(ctx, "GetState", parameters, simple{&reply}, true); err != nil {
		return nil, err
	}
	state := &State{Objects: make([]ObjectState, len(reply.Objects)), Cursor: reply.Cursor, Oldest: reply.Oldest}
	for i := range reply.Objects {
		if err := state.Objects[i].fromWire(&reply.Objects[i]); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// fromWire converts what the bindings decoded.
func (o *ObjectState) fromWire(w *iopodmanevents.ObjectState) (err error) {
	*o = ObjectState{
		ID: text(w.Id), Name: text(w.Name), Image: text(w.Image), HealthStatus: text(w.HealthStatus),
		Restarts: int(w.Restarts), Host: text(w.Host),
	}
	if w.ExitCode != nil {
		o.ExitCode = number(*w.ExitCode)
	}
	if w.Uid != nil {
		o.UID = user(*w.Uid)
	}
	o.Type, o.Status = libpodWord(string(w.Type), "", wireTypes), libpodWord(string(w.Status), "", wireStatuses)
	if o.Since, err = parseTime(w.Since); err != nil || w.HealthSince == nil {
		return err
	}
	o.HealthSince, err = parseTime(*w.HealthSince)
	return err
}
