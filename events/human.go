package events

import (
	"strconv"

	"github.com/eventsvc/eventsvc/internal/eventline"
)

// ToHumanReadable returns the line that podman events prints for the event, with the
// labels sorted (Podman prints them in random order). With truncate the ID is cut to 12
// letters, without a digest's algorithm.
func (e *Event) ToHumanReadable(truncate bool) string {
	return string(e.AppendHumanReadable(nil, truncate))
}

// AppendHumanReadable appends what ToHumanReadable returns.
func (e *Event) AppendHumanReadable(dst []byte, truncate bool) []byte {
	return e.line().AppendHuman(dst, eventline.NewClock(e.Time.Location()), truncate)
}

// AppendOutputJSON appends the line of eventsvc events --format json, without the
// newline: the members of podman events --format json and some more. The time is
// printed in the zone that it has.
func (e *Event) AppendOutputJSON(dst []byte) []byte {
	return e.line().AppendJSON(dst, eventline.NewClock(e.Time.Location()))
}

func (e *Event) line() *eventline.Line {
	l := &eventline.Line{
		ID: e.ID, Image: e.Image, Name: e.Name, Network: e.Network, HealthStatus: e.HealthStatus, HealthLog: e.HealthLog,
		Error: e.Error, Inspect: e.ContainerInspectData, PodID: e.PodID, Host: e.Host, Cursor: e.Cursor,
		Status: string(e.Status), Type: string(e.Type), Time: e.Time, Labels: eventline.Labels{Map: e.Attributes},
	}
	if e.ContainerExitCode != nil {
		l.ExitCode = strconv.Itoa(*e.ContainerExitCode)
	}
	if e.HealthFailingStreak != 0 {
		l.Streak = strconv.Itoa(e.HealthFailingStreak)
	}
	if e.UID != nil {
		l.UID = strconv.FormatUint(uint64(*e.UID), 10)
	}
	return l
}
