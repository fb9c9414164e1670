// Package eventline writes events as lines of eventsvc events: as JSON, with the
// members of podman events --format json and some more, and as text like podman events.
// Text that is JSON already is copied unchanged, so that an event in a reply can be
// printed without decoding it.
//
// It does not know the type Event: package events and the client make a Line of theirs.
package eventline

import (
	"time"

	"github.com/eventsvc/eventsvc/internal/jsonscan"
)

// Line has the members of an event. An empty one is absent. Numbers are their digits.
type Line struct {
	ExitCode, Streak, UID                                                                  string
	ID, Image, Name, Network, HealthStatus, HealthLog, Error, Inspect, PodID, Host, Cursor string
	Status, Type                                                                           string
	Time                                                                                   time.Time
	Labels                                                                                 Labels

	// Escaped: the texts of the second group, and the labels, are in the form between
	// the quotes in JSON. Status and Type then need no escapes.
	Escaped bool
}

// Labels are the attributes; the zero value has none.
type Labels struct {
	Map map[string]string
	// JSON is used instead in an escaped line: an object of strings, with names sorted
	// and without escapes. Its names and values are, by turns, at the spans of the text.
	JSON  string
	Spans []jsonscan.Span
	Text  string
}
