// Package eventline writes events as lines of eventsvc events --format json, which has
// the members of podman events --format json and some more. It takes what is JSON
// already as it is, so that an event need not be read to be printed.
package eventline

import (
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/nanos"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// Text is the value of a member that is a string; an empty one is left out.
type Text struct {
	Text string
	JSON bool // it is what stands between the quotes in JSON, and no plain text
}

// Event are the members of a line. Numbers are their digits, empty: absent.
type Event struct {
	ExitCode, Streak, UID                                                                  string
	ID, Image, Name, Network, HealthStatus, HealthLog, Error, Inspect, PodID, Host, Cursor Text
	Status                                                                                 events.Status
	Type                                                                                   events.Type
	Time                                                                                   time.Time // in the zone to print it in
	Labels                                                                                 string    // JSON: an object whose names are in order; empty: absent
}

// AppendJSON appends the line, without the newline: the members of Podman 5's events
// --format json under their names, then those that only this service has. No two of
// them differ in case alone, which readers such as encoding/json and PowerShell take for
// the same: so there is no Time beside time. Attributes are {} where there are none,
// and never null.
func (e *Event) AppendJSON(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, '{')
	if e.ExitCode != "" {
		dst = append(append(append(dst, `"ContainerExitCode":`...), e.ExitCode...), ',')
	}
	dst = e.ID.append(dst, `"ID":`)
	dst = e.Image.append(dst, `"Image":`)
	dst = e.Name.append(dst, `"Name":`)
	dst = e.Network.append(dst, `"network":`)
	dst = append(jsonstring.Append(append(dst, `"Status":`...), string(e.Status)), `,"time":`...)
	dst = append(strconv.AppendInt(dst, e.Time.Unix(), 10), `,"timeNano":`...)
	dst = append(strconv.AppendInt(dst, nanos.Of(e.Time), 10), `,"Type":`...)
	dst = append(jsonstring.Append(dst, string(e.Type)), ',')
	dst = e.HealthStatus.append(dst, `"health_status":`)
	dst = e.HealthLog.append(dst, `"health_log":`)
	if e.Streak != "" {
		dst = append(append(append(dst, `"health_failing_streak":`...), e.Streak...), ',')
	}
	dst = e.Error.append(dst, `"Error":`)
	dst = e.Inspect.append(dst, `"ContainerInspectData":`)
	dst = e.PodID.append(dst, `"PodID":`)
	dst = append(dst, `"Attributes":`...)
	if e.Labels == "" {
		dst = append(dst, `{}`...)
	}
	dst = append(append(dst, e.Labels...), `,"Timestamp":"`...)
	dst = append(e.Time.AppendFormat(dst, time.RFC3339Nano), '"', ',')
	if e.UID != "" {
		dst = append(append(append(dst, `"UID":`...), e.UID...), ',')
	}
	dst = e.Host.append(dst, `"Host":`)
	dst = e.Cursor.append(dst, `"Cursor":`)
	dst[len(dst)-1] = '}' // for the comma
	return append(dst[:start], visible.JSON(dst[start:])...)
}

func (t Text) append(dst []byte, name string) []byte {
	if t.Text == "" {
		return dst
	}
	if dst = append(dst, name...); t.JSON {
		return append(append(append(dst, '"'), t.Text...), '"', ',')
	}
	return append(jsonstring.Append(dst, t.Text), ',')
}

// Append appends the line of an event, without the newline. Its time is printed in the
// zone that it has.
func Append(dst []byte, e *events.Event) []byte {
	line := of(e)
	return line.AppendJSON(dst)
}

// of returns the members of an event.
func of(e *events.Event) Event {
	line := Event{
		ID: Text{Text: e.ID}, Image: Text{Text: e.Image}, Name: Text{Text: e.Name}, Network: Text{Text: e.Network},
		HealthStatus: Text{Text: e.HealthStatus}, HealthLog: Text{Text: e.HealthLog}, Error: Text{Text: e.Error},
		Inspect: Text{Text: e.ContainerInspectData}, PodID: Text{Text: e.PodID}, Host: Text{Text: e.Host}, Cursor: Text{Text: e.Cursor},
		Status: e.Status, Type: e.Type, Time: e.Time,
	}
	if e.ContainerExitCode != nil {
		line.ExitCode = strconv.Itoa(*e.ContainerExitCode)
	}
	if e.HealthFailingStreak != 0 {
		line.Streak = strconv.Itoa(e.HealthFailingStreak)
	}
	if e.UID != nil {
		line.UID = strconv.FormatUint(uint64(*e.UID), 10)
	}
	if len(e.Attributes) > 0 {
		line.Labels = string(jsonstring.AppendMap(nil, e.Attributes))
	}
	return line
}
