package client

import (
	"math"
	"strings"
	"time"
	"unsafe"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/nanos"
	"github.com/eventsvc/eventsvc/iopodmanevents"
)

// interfaceName is the interface that this client calls.
const interfaceName = "io.podman.events"

// unknownWord is the member of the enums for a word of a newer libpod, which is in
// rawType or rawStatus.
const unknownWord = "unknown"

// wireTypes and wireStatuses map the members of the enums to libpod's words.
var (
	wireTypes    = make(map[string]events.Type)
	wireStatuses = make(map[string]events.Status)
)

func init() {
	for _, t := range events.Types() {
		wireTypes[t.Varlink()] = t
	}
	for _, s := range events.Statuses() {
		wireStatuses[s.Varlink()] = s
	}
}

// parseTime parses a time in a reply.
func parseTime(text string) (time.Time, error) {
	if ns, ok := nanos.Parse(unsafe.Slice(unsafe.StringData(text), len(text))); ok && strings.HasSuffix(text, "Z") {
		return time.Unix(0, ns).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		err = notUnderstood(err)
	}
	return t, err
}

// libpodWord returns libpod's word for a member of an enum, given the raw word beside
// it. Single words are the same in both. A word that is neither in the enum nor known to
// libpod is kept: a newer service may send one.
func libpodWord[T ~string](word, raw string, words map[string]T) T {
	if word == unknownWord && raw != "" {
		return T(raw)
	}
	if strings.IndexByte(word, '_') >= 0 {
		if known, ok := words[word]; ok {
			return known
		}
	}
	return T(word)
}

// fromWire converts an event decoded by the bindings.
func fromWire(w *iopodmanevents.Event) (e events.Event, err error) {
	e = events.Event{
		ID: text(w.Id), Name: text(w.Name), Image: text(w.Image), Network: text(w.Network),
		HealthStatus: text(w.HealthStatus), HealthLog: text(w.HealthLog), Error: text(w.Error),
		Details: events.Details{ContainerInspectData: text(w.ContainerInspectData), PodID: text(w.PodId)},
		Host:    text(w.Host), Cursor: w.Cursor,
	}
	if w.ExitCode != nil {
		e.ContainerExitCode = number(*w.ExitCode)
	}
	if w.HealthFailingStreak != nil {
		e.HealthFailingStreak = int(*w.HealthFailingStreak)
	}
	if w.Attributes != nil {
		e.Attributes = *w.Attributes
	}
	if w.Uid != nil {
		e.UID = user(*w.Uid)
	}
	e.Type = libpodWord(string(w.Type), text(w.RawType), wireTypes)
	e.Status = libpodWord(string(w.Status), text(w.RawStatus), wireStatuses)
	e.Time, err = parseTime(w.Time)
	return e, err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(n int64) *int {
	i := int(n)
	return &i
}

// user returns the user with the number, nil if the number is not a uid.
func user(n int64) *uint32 {
	if !isUser(n) {
		return nil
	}
	uid := uint32(n)
	return &uid
}

func isUser(n int64) bool { return n >= 0 && n <= math.MaxUint32 }

// toWire converts an event for WriteEvent. If it cannot be expressed, the error is an
// *events.FieldError.
func toWire(e *events.Event) (iopodmanevents.NewEvent, error) {
	var w iopodmanevents.NewEvent
	if _, err := events.StringToType(string(e.Type)); err != nil {
		return w, &events.FieldError{Field: "type", Reason: err.Error()}
	}
	if _, err := events.StringToStatus(string(e.Status)); err != nil {
		return w, &events.FieldError{Field: "status", Reason: err.Error()}
	}
	switch {
	case e.ContainerInspectData != "":
		return w, &events.FieldError{Field: "containerInspectData", Reason: "it is Podman's own to write; leave it out"}
	case len(e.Extra) > 0:
		return w, &events.FieldError{Field: "extra", Reason: "members that the contract does not know cannot be sent"}
	}
	w = iopodmanevents.NewEvent{
		Type: iopodmanevents.EventType(e.Type.Varlink()), Status: iopodmanevents.EventStatus(e.Status.Varlink()),
		Id: given(e.ID), Name: given(e.Name), Image: given(e.Image), PodId: given(e.PodID), Network: given(e.Network),
		HealthStatus: given(e.HealthStatus), HealthLog: given(e.HealthLog), Error: given(e.Error),
	}
	if !e.Time.IsZero() {
		w.Time = given(e.Time.Format(time.RFC3339Nano))
	}
	if e.ContainerExitCode != nil {
		code := int64(*e.ContainerExitCode)
		w.ExitCode = &code
	}
	if e.HealthFailingStreak != 0 {
		streak := int64(e.HealthFailingStreak)
		w.HealthFailingStreak = &streak
	}
	if e.Attributes != nil {
		w.Attributes = &e.Attributes
	}
	return w, nil
}

// given returns nil for an empty string: absent on the wire.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
