package service

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// WriteEvent stores an event and answers with its cursor, as varlink/go calls
// for it. Connections have a shorter way: conn.handleWrites.
func (f *eventsFace) WriteEvent(ctx context.Context, c iopodmanevents.VarlinkCall, in iopodmanevents.NewEvent) error {
	call := CallOf(c.Conn)
	event, err := newEvent(&in, time.Now())
	if err != nil {
		return f.fail(call, err, "")
	}
	result := f.feed.Write(ctx, []events.Event{event})[0]
	if result.Err != nil {
		return f.fail(call, result.Err, "")
	}
	return c.ReplyWriteEvent(ctx, result.Cursor)
}

// appendWritten appends the reply with the cursor, with its NUL.
func appendWritten(dst []byte, cursor string) []byte {
	dst = append(dst, `{"parameters":{"cursor":`...)
	dst = eventjson.AppendCursor(dst, cursor)
	return append(dst, "}}\x00"...)
}

// decodeNewEvent reads the parameters of WriteEvent, which have been held
// against the description of the interface.
func decodeNewEvent(parameters []byte) (in iopodmanevents.NewEvent) {
	members(parameters, func(_ string, event []byte) bool { // the one there is
		members(event, func(name string, value []byte) bool {
			if !isNull(value) {
				decodeMember(&in, name, value)
			}
			return true
		})
		return true
	})
	return in
}

func decodeMember(in *iopodmanevents.NewEvent, name string, value []byte) {
	switch name {
	case "type":
		in.Type = iopodmanevents.EventType(unquoteWord(value))
	case "status":
		in.Status = iopodmanevents.EventStatus(unquoteWord(value))
	case "time":
		in.Time = new(unquote(value))
	case "id":
		in.Id = new(unquote(value))
	case "name":
		in.Name = new(unquote(value))
	case "image":
		in.Image = new(unquote(value))
	case "podId":
		in.PodId = new(unquote(value))
	case "network":
		in.Network = new(unquote(value))
	case "exitCode":
		in.ExitCode = new(decodeInt(value))
	case "healthStatus":
		in.HealthStatus = new(unquote(value))
	case "healthLog":
		in.HealthLog = new(unquote(value))
	case "healthFailingStreak":
		in.HealthFailingStreak = new(decodeInt(value))
	case "error":
		in.Error = new(unquote(value))
	case "attributes":
		attributes := make(map[string]string)
		members(value, func(key string, value []byte) bool {
			attributes[key] = unquote(value)
			return true
		})
		in.Attributes = &attributes
	}
}

// decodeInt reads a number that is known to fit.
func decodeInt(value []byte) int64 {
	n, _ := strconv.ParseInt(string(value), 10, 64)
	return n
}

// maxStreak is how often a health check is counted to have failed at most.
const maxStreak = math.MaxInt32

// newEvent makes an event of what the client sent. The error is an
// *events.FieldError or, for the time, an *events.TimeError.
func newEvent(in *iopodmanevents.NewEvent, now time.Time) (events.Event, error) {
	e := events.Event{
		Time: now, ID: text(in.Id), Name: text(in.Name), Image: text(in.Image), Network: text(in.Network),
		HealthStatus: text(in.HealthStatus), HealthLog: text(in.HealthLog), Error: text(in.Error),
		Details: events.Details{PodID: text(in.PodId)},
	}
	var err error
	if e.Type, err = events.StringToType(string(in.Type)); err != nil {
		return e, &events.FieldError{Field: "type", Reason: err.Error()}
	}
	if e.Status, err = events.StringToStatus(string(in.Status)); err != nil {
		return e, &events.FieldError{Field: "status", Reason: err.Error()}
	}
	if in.Time != nil {
		if e.Time, err = eventTime(*in.Time, now); err != nil {
			return e, err
		}
	}
	if in.ExitCode != nil {
		if err := core.CheckExitCode("exitCode", *in.ExitCode); err != nil {
			return e, err
		}
		e.ContainerExitCode = new(int(*in.ExitCode))
	}
	if in.HealthFailingStreak != nil {
		if *in.HealthFailingStreak < 0 || *in.HealthFailingStreak > maxStreak {
			return e, &events.FieldError{Field: "healthFailingStreak", Reason: "it counts: give a number from 0 to 2147483647"}
		}
		e.HealthFailingStreak = int(*in.HealthFailingStreak)
	}
	if in.Attributes != nil && len(*in.Attributes) > 0 {
		e.Attributes = *in.Attributes
	}
	if err := checkText(&e); err != nil {
		return e, err
	}
	return e, checkSize(&e)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// eventTime understands the time of an event. A store keeps times as
// nanoseconds, which not every year fits into.
func eventTime(value string, now time.Time) (time.Time, error) {
	t, err := events.ParseTime(events.Written, value, now)
	if err != nil {
		return t, err
	}
	if ns := events.UnixNano(t); ns == math.MinInt64 || ns == math.MaxInt64 {
		return t, &events.TimeError{Field: string(events.Written), Value: value, Reason: "it is not between 1678 and 2262"}
	}
	return t, nil
}

// checkText refuses NUL, which neither an argument of a program nor a D-Bus
// string can hold.
func checkText(e *events.Event) error {
	for _, f := range textFields(e) {
		if strings.ContainsRune(f.text, 0) {
			return &events.FieldError{Field: f.name, Reason: "it has a NUL character"}
		}
	}
	for key, value := range e.Attributes {
		switch {
		case key == "":
			return &events.FieldError{Field: "attributes", Reason: "one of them has no name"}
		case strings.ContainsRune(key, 0) || strings.ContainsRune(value, 0):
			return &events.FieldError{Field: "attributes", Reason: strconv.Quote(key) + " has a NUL character"}
		}
	}
	return nil
}

type textField struct{ name, text string }

func textFields(e *events.Event) []textField {
	return []textField{
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

// checkSize refuses an event whose line would be too long, and names the field
// that takes most of it.
func checkSize(e *events.Event) error {
	longest, total := textField{name: "attributes"}, 0
	attributes := 0
	for key, value := range e.Attributes {
		attributes += len(key) + len(value) + len(`"":"",`)
	}
	most := attributes
	total += attributes
	for _, f := range textFields(e) {
		total += len(f.text)
		if len(f.text) > most {
			longest, most = f, len(f.text)
		}
	}
	if total < limits.Event/maxEscape-1024 {
		return nil
	}
	line, err := e.AppendJSON(nil)
	if err != nil {
		return &events.FieldError{Field: "event", Reason: err.Error()}
	}
	if len(line) > limits.Event {
		return &events.FieldError{Field: longest.name, Reason: "the event is too long: its line takes " +
			strconv.Itoa(len(line)) + " bytes, and may take " + strconv.Itoa(limits.Event)}
	}
	return nil
}
