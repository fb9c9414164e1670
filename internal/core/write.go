package core

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// NewEvent is an event to be written, as given by a client. Empty texts and nil are
// absent.
type NewEvent struct {
	Type, Status                    string
	Time                            *string
	ID, Name, Image, PodID, Network string
	ExitCode                        *int64
	HealthStatus, HealthLog         string
	HealthFailingStreak             *int64
	Error                           string
	Attributes                      map[string]string
}

// ToWrite turns what a caller wants to write into an event. The error is an
// *access.Denied, an *events.FieldError or an *events.TimeError.
func (c *Core) ToWrite(who *Caller, in *NewEvent) (events.Event, error) {
	if err := c.access.Write(&who.Peer, who.ReadOnly); err != nil {
		return events.Event{}, err
	}
	return in.Event(time.Now())
}

// Write stores events made by ToWrite, and returns the outcome of each when all that
// can be stored are. The context may end it before that. A client's disconnecting must
// not: the request is carried out all the same.
func (c *Core) Write(ctx context.Context, batch []events.Event) []feed.Written {
	results := c.feed.Write(ctx, batch)
	for i := range results {
		if errors.Is(results[i].Err, context.Canceled) {
			results[i].Err = ErrStopping // before it was written
		}
	}
	return results
}

// Event makes the event. Errors name the fields of NewEvent in
// io.podman.events.varlink.
func (in *NewEvent) Event(now time.Time) (events.Event, error) {
	e := events.Event{
		Time: now, ID: in.ID, Name: in.Name, Image: in.Image, Network: in.Network, HealthStatus: in.HealthStatus,
		HealthLog: in.HealthLog, Error: in.Error, Details: events.Details{PodID: in.PodID},
	}
	var err error
	if e.Type, err = events.StringToType(in.Type); err != nil {
		return e, &events.FieldError{Field: "type", Reason: err.Error()}
	}
	if e.Status, err = events.StringToStatus(in.Status); err != nil {
		return e, &events.FieldError{Field: "status", Reason: err.Error()}
	}
	if in.Time != nil {
		if e.Time, err = eventTime(*in.Time, now); err != nil {
			return e, err
		}
	}
	// The exit code of a Windows process is any 32 bits, and -1 means that it is not
	// known.
	if err := between("exitCode", in.ExitCode, math.MinInt32, math.MaxUint32); err != nil {
		return e, err
	}
	if in.ExitCode != nil {
		e.ContainerExitCode = new(int(*in.ExitCode))
	}
	if err := between("healthFailingStreak", in.HealthFailingStreak, 0, math.MaxInt32); err != nil {
		return e, err
	}
	if in.HealthFailingStreak != nil {
		e.HealthFailingStreak = int(*in.HealthFailingStreak)
	}
	if len(in.Attributes) > 0 {
		e.Attributes = in.Attributes
	}
	if err := checkText(&e); err != nil {
		return e, err
	}
	return e, checkSize(&e)
}

func between(field string, n *int64, least, most int64) error {
	if n != nil && (*n < least || *n > most) {
		return &events.FieldError{Field: field, Reason: fmt.Sprintf("must be between %d and %d", least, most)}
	}
	return nil
}

// eventTime parses the time of an event. A store keeps times as nanoseconds, which
// cannot express every year.
func eventTime(value string, now time.Time) (time.Time, error) {
	t, err := events.ParseTime(events.Written, value, now)
	if err != nil {
		return t, err
	}
	if ns := nanos.Of(t); ns == math.MinInt64 || ns == math.MaxInt64 {
		return t, &events.TimeError{Field: string(events.Written), Value: value, Reason: "must be between 1678 and 2262"}
	}
	return t, nil
}

// checkText refuses NUL, which neither a program's argument nor a D-Bus string can
// contain.
func checkText(e *events.Event) error {
	for _, f := range textFields(e) {
		if strings.IndexByte(f.text, 0) >= 0 {
			return &events.FieldError{Field: f.name, Reason: "it has a NUL character"}
		}
	}
	for key, value := range e.Attributes {
		switch {
		case key == "":
			return &events.FieldError{Field: "attributes", Reason: "one of them has no name"}
		case strings.IndexByte(key, 0) >= 0 || strings.IndexByte(value, 0) >= 0:
			return &events.FieldError{Field: "attributes", Reason: strconv.Quote(key) + " has a NUL character"}
		}
	}
	return nil
}

type textField struct{ name, text string }

func textFields(e *events.Event) [8]textField {
	return [...]textField{
		{"id", e.ID},
		{"name", e.Name},
		{"image", e.Image},
		{"podId", e.PodID},
		{"network", e.Network},
		{"healthStatus", e.HealthStatus},
		{"healthLog", e.HealthLog},
		{"error", e.Error},
	}
}

// maxEscape is how many bytes of a line one byte of a string can become.
const maxEscape = 6

// checkSize refuses an event that readers would not get in full: one with more
// attributes than are served, or whose line would be too long. The error names the
// field that takes most of it.
func checkSize(e *events.Event) error {
	if n := len(e.Attributes); n > limits.Labels {
		return &events.FieldError{Field: "attributes", Reason: fmt.Sprintf("there are %d; give at most %d", n, limits.Labels)}
	}
	longest, most := "attributes", 0
	for key, value := range e.Attributes {
		most += len(key) + len(value) + len(`"":"",`)
	}
	total := most
	for _, f := range textFields(e) {
		total += len(f.text)
		if len(f.text) > most {
			longest, most = f.name, len(f.text)
		}
	}
	if total < limits.Event/maxEscape-1024 {
		return nil
	}
	line, err := e.AppendJSON(nil)
	if err != nil {
		return err
	}
	if len(line) > limits.Event {
		return &events.FieldError{Field: longest, Reason: fmt.Sprintf(
			"the event is too long: its line takes %d bytes, and may take %d", len(line), limits.Event)}
	}
	return nil
}
