package events

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// wireEvent is the shape of a line in Podman's event log for encoding/json, with which
// Podman itself reads it. Its members are in the order in which Podman 5 writes them.
type wireEvent struct {
	ContainerExitCode    *int
	ID                   string
	Image                string
	Name                 string
	Network              string `json:"network"`
	Status               Status
	Time                 time.Time
	Type                 Type
	HealthStatus         string `json:"health_status"`
	HealthLog            string `json:"health_log"`
	HealthFailingStreak  int    `json:"health_failing_streak"`
	Error                string `json:"error"`
	ContainerInspectData string
	PodID                string
	Attributes           map[string]string
}

// knownMembers are the names of wireEvent's members.
var knownMembers = []string{
	"ContainerExitCode", "ID", "Image", "Name", "network", "Status", "Time", "Type", "health_status",
	"health_log", "health_failing_streak", "error", "ContainerInspectData", "PodID", "Attributes",
}

// UnmarshalJSON parses a line of Podman's event log, accepting and refusing what
// encoding/json does, since Podman itself uses that. A line without type, status or
// time is refused with ErrEventTypeBlank, ErrEventStatusBlank or ErrEventTimeBlank.
func (e *Event) UnmarshalJSON(line []byte) error {
	var w wireEvent
	if err := json.Unmarshal(line, &w); err != nil {
		return errors.WithMessage(err, "cannot decode event")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(line, &members); err != nil {
		return errors.WithMessage(err, "cannot decode event")
	}
	for name := range members {
		if IsMember(name) {
			delete(members, name)
		}
	}
	if len(members) == 0 {
		members = nil
	}
	*e = Event{
		ContainerExitCode: w.ContainerExitCode, ID: w.ID, Image: w.Image, Name: w.Name, Network: w.Network,
		Status: w.Status, Time: w.Time, Type: w.Type, HealthStatus: w.HealthStatus, HealthLog: w.HealthLog,
		HealthFailingStreak: w.HealthFailingStreak, Error: w.Error,
		Details: Details{ContainerInspectData: w.ContainerInspectData, PodID: w.PodID, Attributes: w.Attributes},
		Extra:   members,
	}
	if err := e.check(); err != nil {
		return err
	}
	// Package time, and so Podman, reads a zone of a day or more, but writes none.
	var text [len(time.RFC3339Nano) + 1]byte
	if _, err := e.Time.AppendText(text[:0]); err != nil {
		e.Time = e.Time.UTC()
		if _, err := e.Time.AppendText(text[:0]); err != nil {
			return errors.WithMessage(err, "cannot decode event")
		}
	}
	return nil
}

// check refuses an event without type, status or time.
func (e *Event) check() error {
	switch {
	case e.Type == "":
		return ErrEventTypeBlank
	case e.Status == "":
		return ErrEventStatusBlank
	case e.Time.IsZero():
		return ErrEventTimeBlank
	}
	return nil
}

// IsMember reports whether a name is that of a member that this package knows, in any
// case, as in encoding/json.
func IsMember(name string) bool {
	return slices.ContainsFunc(knownMembers, func(known string) bool { return strings.EqualFold(name, known) })
}

// MarshalJSON returns the line of Podman's event log for the event.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// AppendJSON appends the line of Podman's event log for the event, without the newline,
// byte for byte as Podman 5 writes it, with unknown members after the known ones. On an
// error it appends nothing: the event lacks type, status or time, its time or an
// unknown member cannot be expressed in JSON, or an unknown member has the name of a
// known one.
func (e *Event) AppendJSON(line []byte) ([]byte, error) {
	if err := e.check(); err != nil {
		return line, err
	}
	var stamp [len(`"` + time.RFC3339Nano + `"`)]byte
	text, err := e.Time.AppendText(stamp[:0])
	if err != nil {
		return line, &FieldError{Field: "time", Reason: "it has no form in JSON: " + err.Error()}
	}
	extra, err := e.encodeExtra()
	if err != nil {
		return line, err
	}
	line = append(line, '{')
	if e.ContainerExitCode != nil {
		line = append(line, `"ContainerExitCode":`...)
		line = strconv.AppendInt(line, int64(*e.ContainerExitCode), 10)
		line = append(line, ',')
	}
	line = appendMember(line, "ID", e.ID)
	line = appendMember(line, "Image", e.Image)
	line = appendMember(line, "Name", e.Name)
	line = appendMember(line, "network", e.Network)
	line = appendMember(line, "Status", string(e.Status))
	line = append(line, `"Time":"`...)
	line = append(line, text...)
	line = append(line, `",`...)
	line = appendMember(line, "Type", string(e.Type))
	line = appendMember(line, "health_status", e.HealthStatus)
	line = appendMember(line, "health_log", e.HealthLog)
	if e.HealthFailingStreak != 0 {
		line = append(line, `"health_failing_streak":`...)
		line = strconv.AppendInt(line, int64(e.HealthFailingStreak), 10)
		line = append(line, ',')
	}
	line = appendMember(line, "error", e.Error)
	line = appendMember(line, "ContainerInspectData", e.ContainerInspectData)
	line = appendMember(line, "PodID", e.PodID)
	line = append(line, `"Attributes":`...)
	line = jsonstring.AppendMap(line, e.Attributes)
	line = append(line, extra...)
	return append(line, '}'), nil
}

// encodeExtra returns the unknown members, each with a leading comma, sorted and
// without white space: a newline would break the line of the log in two.
func (e *Event) encodeExtra() ([]byte, error) {
	if len(e.Extra) == 0 {
		return nil, nil
	}
	var members bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(e.Extra)) {
		if IsMember(name) {
			return nil, errors.Errorf("cannot encode event: Extra has the member %q, which has a field of its own", name)
		}
		members.WriteByte(',')
		members.Write(jsonstring.Append(nil, name))
		members.WriteByte(':')
		if err := json.Compact(&members, e.Extra[name]); err != nil {
			return nil, errors.WithMessagef(err, "cannot encode event: member %q of Extra", name)
		}
	}
	return members.Bytes(), nil
}

// appendMember appends a member with its comma, or nothing for an empty value.
func appendMember(line []byte, name, value string) []byte {
	if value == "" {
		return line
	}
	line = append(line, '"')
	line = append(line, name...)
	line = append(line, `":`...)
	line = jsonstring.Append(line, value)
	return append(line, ',')
}
