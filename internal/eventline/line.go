// Package eventline writes events as lines of eventsvc events: JSON, which has the
// members of podman events --format json and some more, and text as podman events
// prints it. Text that is JSON already is taken as it is, so that an event in a reply
// can be printed without being decoded.
//
// It knows no Event: package events and the client make a Line of theirs.
package eventline

import "time"

// Text is the value of a string member; an empty one is absent.
type Text struct {
	Text string
	JSON bool // it is what stands between the quotes in JSON
}

// Line has the members of an event. Numbers are their digits, empty: absent.
type Line struct {
	ExitCode, Streak, UID                                                                  string
	ID, Image, Name, Network, HealthStatus, HealthLog, Error, Inspect, PodID, Host, Cursor Text
	Status, Type                                                                           string
	Time                                                                                   time.Time
	Labels                                                                                 Labels
}

// Labels are the attributes, in one of two forms; the zero value has none.
type Labels struct {
	Map  map[string]string
	JSON string // an object of strings, whose names are in order and without escapes
}
