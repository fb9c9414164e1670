// Package eventline writes events as lines of eventsvc events: JSON, which has the
// members of podman events --format json and some more, and text as podman events
// prints it. Text that is JSON already is taken as it is, so that an event in a reply
// can be printed without being decoded.
//
// It knows no Event: package events and the client make a Line of theirs.
package eventline

import "time"

// Line has the members of an event. An empty one is absent. Numbers are their digits.
type Line struct {
	ExitCode, Streak, UID                                                                  string
	ID, Image, Name, Network, HealthStatus, HealthLog, Error, Inspect, PodID, Host, Cursor string
	Status, Type                                                                           string
	Time                                                                                   time.Time
	Labels                                                                                 Labels

	// Escaped says that the texts of the second group are as they stand between the
	// quotes in JSON, and so are the labels.
	Escaped bool
}

// Labels are the attributes; the zero value has none.
type Labels struct {
	Map  map[string]string
	JSON string // instead, of an escaped line: an object of strings, whose names are in order and without escapes
}
