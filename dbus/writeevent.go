package dbus

import (
	"math"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// writeOptions are the fields of an event to be written: those of the event in the
// signal and its details.
var writeOptions = map[string]string{
	"type": "s", "status": "s", "id": "s", "name": "s", "time": "s", "timestamp_usec": dbuswire.AnyInteger, "image": "s",
	"exit_code": dbuswire.AnyInteger, "pod_id": "s", "network": "s", "health_status": "s", "health_log": "s",
	"health_failing_streak": dbuswire.AnyInteger, "error": "s", "attributes": "a{ss}",
}

// writeEvent stores an event and replies with its cursor. If the caller disconnects,
// the request is carried out all the same.
func (k *call) writeEvent(d *dbuswire.Decoder) error {
	o, err := d.Options("member of an event", writeOptions)
	if err != nil {
		return err
	}
	if err := d.Done(); err != nil {
		return err
	}
	in, err := newEvent(o)
	if err != nil {
		return err
	}
	event, err := k.server.core.ToWrite(k.caller(), in)
	if err != nil {
		return err
	}
	return k.atStore(func() error {
		written := k.server.core.Write(k.server.Context(), []events.Event{event})[0]
		if written.Err != nil {
			return written.Err
		}
		e := dbuswire.NewEncoder(nil)
		e.Text(written.Cursor)
		return k.Reply("s", e.Bytes())
	})
}

func newEvent(o dbuswire.Values) (*core.NewEvent, error) {
	e := &core.NewEvent{
		Type: o["type"].Text, Status: o["status"].Text, Time: text(o, "time"), ID: o["id"].Text, Name: o["name"].Text, Image: o["image"].Text,
		PodID: o["pod_id"].Text, Network: o["network"].Text, ExitCode: integer(o, "exit_code"), HealthStatus: o["health_status"].Text,
		HealthLog: o["health_log"].Text, HealthFailingStreak: integer(o, "health_failing_streak"), Error: o["error"].Text,
		Attributes: o["attributes"].Labels,
	}
	stamp, ok := o["timestamp_usec"]
	if !ok {
		return e, nil
	}
	if e.Time != nil {
		return nil, &events.FieldError{Field: "time", Reason: "'time' and 'timestamp_usec' cannot be given together"}
	}
	const most = math.MaxInt64 / int64(time.Microsecond)
	n, ok := stamp.Integer(0, most)
	if !ok {
		return nil, &events.FieldError{Field: "timestamp_usec", Reason: "must be between 0 and " + strconv.FormatInt(most, 10)}
	}
	e.Time = new(time.UnixMicro(n).UTC().Format(time.RFC3339Nano))
	return e, nil
}
