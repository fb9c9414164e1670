package events

import (
	"encoding/json"
	"time"
)

// Event is one event of Podman's event model. Its exported fields follow the members of
// a line in Podman's event log (libpod/events.Event), which MarshalJSON and
// UnmarshalJSON write and read. A field with its zero value was absent.
type Event struct {
	// ContainerExitCode is the exit code of the container, or of the process started by
	// exec; nil if libpod gave none, which Podman before 5 also did for exit code 0.
	ContainerExitCode *int
	// ID is the full ID of the object; of the container for connect and
	// disconnect of a network.
	ID string
	// Image is the image of the container.
	Image string
	// Name is the name of the object.
	Name string
	// Network is the name of the network.
	Network string
	// Status is what happened. It may be a word that this package does not know.
	Status Status
	// Time is when it happened, to the nanosecond.
	Time time.Time
	// Type is the kind of object. It may be a word that this package does not know.
	Type Type
	// HealthStatus is the verdict of a health check.
	HealthStatus string
	// HealthLog is the output of the health check.
	HealthLog string
	// HealthFailingStreak is the number of consecutive failed health checks.
	HealthFailingStreak int
	// Error is the text of the error, for pull-error.
	Error string
	Details

	// Extra is the members that this package does not know, as read; they are written
	// back.
	Extra map[string]json.RawMessage

	// UID is the user whose engine reported it: the owner of the log file, or the
	// sender of the journal entry; nil if unknown. It is not a member of the line.
	UID *uint32
	// Host is the host where it happened, set only if the store collects several hosts.
	// It is not a member of the line.
	Host string
	// Cursor is the position right after the event in its store: at most 255 bytes of
	// printable ASCII, opaque. Empty if the event was not read from a store. It is not
	// a member of the line.
	Cursor string
}

// Details are the fields that libpod groups separately.
type Details struct {
	// ContainerInspectData is the JSON text of podman inspect, if Podman is configured
	// to record it.
	ContainerInspectData string
	// PodID is the ID of the pod that the container belongs to.
	PodID string
	// Attributes are the labels of the object together with further attributes, as in
	// libpod.
	Attributes map[string]string
}

// NewEvent returns an event with a status and the current time.
func NewEvent(status Status) Event {
	return Event{Status: status, Time: time.Now()}
}

// ToJSONString returns the line of Podman's event log for the event, without
// the newline.
func (e *Event) ToJSONString() (string, error) {
	line, err := e.AppendJSON(nil)
	return string(line), err
}
