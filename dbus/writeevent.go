package dbus

import (
	"math"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// writeOptions are the fields of an event that is written: those of the event
// in the signal and its details.
var writeOptions = map[string]string{
	"type": "s", "status": "s", "id": "s", "name": "s", "time": "s", "timestamp_usec": dbuswire.AnyInteger, "image": "s",
	"exit_code": dbuswire.AnyInteger, "pod_id": "s", "network": "s", "health_status": "s", "health_log": "s",
	"health_failing_streak": dbuswire.AnyInteger, "error": "s", "attributes": "a{ss}",
}

// writeEvent stores an event and answers with its cursor. It goes on when the
// caller is gone: what was asked for is done.
func (k *call) writeEvent(d *dbuswire.Decoder) error {
	if err := k.server.access.Write(who(k.Peer()), false); err != nil {
		return err
	}
	fields, err := d.Options("member of an event", writeOptions)
	if err != nil {
		return err
	}
	if err := d.Done(); err != nil {
		return err
	}
	event, err := newEvent(fields, time.Now())
	if err != nil {
		return err
	}
	result := k.server.feed.Write(k.server.Context(), []events.Event{event})[0]
	if result.Err != nil {
		return result.Err
	}
	e := dbuswire.NewEncoder(nil)
	e.Text(result.Cursor)
	return k.Reply("s", e.Bytes())
}

// newEvent makes an event of what the caller sent. The error is an
// *events.FieldError or, for the time, an *events.TimeError.
func newEvent(in dbuswire.Values, now time.Time) (events.Event, error) {
	e := events.Event{
		Time: now, ID: in["id"].Text, Name: in["name"].Text, Image: in["image"].Text, Network: in["network"].Text,
		HealthStatus: in["health_status"].Text, HealthLog: in["health_log"].Text, Error: in["error"].Text,
		Details: events.Details{PodID: in["pod_id"].Text, Attributes: in["attributes"].Labels},
	}
	var err error
	if e.Type, err = events.StringToType(in["type"].Text); err != nil {
		return e, &events.FieldError{Field: "type", Reason: err.Error()}
	}
	if e.Status, err = events.StringToStatus(in["status"].Text); err != nil {
		return e, &events.FieldError{Field: "status", Reason: err.Error()}
	}
	if e.Time, err = writtenTime(in, now); err != nil {
		return e, err
	}
	if code, ok := in["exit_code"]; ok {
		n, _ := code.Integer(0, 0)
		if err := core.CheckExitCode("exit_code", n); err != nil {
			return e, err
		}
		e.ContainerExitCode = new(int(n))
	}
	if streak, ok := in["health_failing_streak"]; ok {
		n, ok := streak.Integer(0, math.MaxInt32)
		if !ok {
			return e, &events.FieldError{
				Field: "health_failing_streak", Reason: "it counts: give a number from 0 to 2147483647",
			}
		}
		e.HealthFailingStreak = int(n)
	}
	if _, ok := e.Attributes[""]; ok {
		return e, &events.FieldError{Field: "attributes", Reason: "one of them has no name"}
	}
	if len(e.Attributes) == 0 {
		e.Attributes = nil
	}
	return e, checkSize(&e)
}

// writtenTime returns the time of an event that is written. A store keeps times
// as nanoseconds, which not every year fits into.
func writtenTime(in dbuswire.Values, now time.Time) (time.Time, error) {
	text, hasText := in["time"]
	stamp, hasStamp := in["timestamp_usec"]
	switch {
	case hasText && hasStamp:
		return now, &events.FieldError{Field: "time", Reason: "'time' and 'timestamp_usec' cannot be given together"}
	case hasStamp:
		const most = math.MaxInt64 / int64(time.Microsecond)
		n, ok := stamp.Integer(0, most)
		if !ok {
			return now, &events.FieldError{
				Field: "timestamp_usec", Reason: "give microseconds since 1970, up to " + strconv.FormatInt(most, 10),
			}
		}
		return time.UnixMicro(n), nil
	case !hasText:
		return now, nil
	}
	t, err := events.ParseTime(events.Written, text.Text, now)
	if err != nil {
		return t, err
	}
	if ns := events.UnixNano(t); ns == math.MinInt64 || ns == math.MaxInt64 {
		return t, &events.TimeError{Field: string(events.Written), Value: text.Text, Reason: "it is not between 1678 and 2262"}
	}
	return t, nil
}

// checkSize refuses an event whose line would be too long. A byte can become
// six in it.
func checkSize(e *events.Event) error {
	const maxEscape, beside = 6, 1 << 10
	total := len(e.ID) + len(e.Name) + len(e.Image) + len(e.PodID) + len(e.Network) + len(e.HealthStatus) +
		len(e.HealthLog) + len(e.Error)
	for key, value := range e.Attributes {
		total += len(key) + len(value) + len(`"":"",`)
	}
	if total < limits.Event/maxEscape-beside {
		return nil
	}
	line, err := e.AppendJSON(nil)
	if err != nil {
		return &events.FieldError{Field: "event", Reason: err.Error()}
	}
	if len(line) > limits.Event {
		return &events.FieldError{Field: "event", Reason: "it is too long: its line takes " + strconv.Itoa(len(line)) +
			" bytes, and may take " + strconv.Itoa(limits.Event)}
	}
	return nil
}
