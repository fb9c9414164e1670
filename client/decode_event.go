package client

import (
	"slices"

	"github.com/eventsvc/eventsvc/events"
)

// The members of Event in io.podman.events, in the order in which the service writes
// them.
const (
	memberCursor = iota
	memberTime
	memberTimestamp
	memberType
	memberStatus
	memberRawType
	memberRawStatus
	memberID
	memberName
	memberImage
	memberPodID
	memberNetwork
	memberExitCode
	memberHealthStatus
	memberHealthLog
	memberHealthStreak
	memberError
	memberInspect
	memberAttributes
	memberUID
	memberHost
)

var eventMembers = []string{
	"cursor", "time", "timestampUSec", "type", "status", "rawType", "rawStatus", "id", "name", "image", "podId",
	"network", "exitCode", "healthStatus", "healthLog", "healthFailingStreak", "error", "containerInspectData",
	"attributes", "uid", "host",
}

// eventNames are the same as they stand in a reply.
var eventNames = func() (names []string) {
	for _, member := range eventMembers {
		names = append(names, `"`+member+`":`)
	}
	return names
}()

// sentEvent is an event as the service sent it.
type sentEvent struct {
	events.Event
	labels []string // not yet in its Attributes: a name, its value, a name, …; nil: there are none
}

// into fills in an event, whose map for the attributes is used again.
func (e *sentEvent) into(into *events.Event) {
	labels := into.Attributes
	if *into = e.Event; e.labels == nil {
		return
	}
	if clear(labels); labels == nil {
		labels = make(map[string]string, len(e.labels)/2)
	}
	for i := 0; i < len(e.labels); i += 2 {
		labels[e.labels[i]] = e.labels[i+1]
	}
	into.Attributes = labels
}

// scan reads an event, and appends its labels to those of others. The service leaves
// absent members out: null is odd.
func (e *sentEvent) scan(s *scan, labels []string) (more []string, err error) {
	var once seen
	var some words
	next := memberCursor
	if !s.eat('{') {
		s.giveUp()
	}
	for first := true; !s.odd && !s.eat('}'); first = false {
		if !first && !s.eat(',') {
			s.giveUp()
			break
		}
		s.Space()
		member := s.Name(eventNames, next)
		if member < 0 {
			key := s.key()
			if member = slices.Index(eventMembers, key); member < 0 {
				other(s, key, eventMembers...)
				continue
			}
		}
		once.twice(s, uint(member))
		next = member + 1
		switch member {
		case memberCursor:
			e.Cursor = s.str()
		case memberTime:
			some.time = s.str()
		case memberTimestamp:
			s.digits()
		case memberType:
			some.kind = s.str()
		case memberStatus:
			some.status = s.str()
		case memberRawType:
			some.rawType = s.str()
		case memberRawStatus:
			some.rawStatus = s.str()
		case memberID:
			e.ID = s.str()
		case memberName:
			e.Name = s.str()
		case memberImage:
			e.Image = s.str()
		case memberPodID:
			e.PodID = s.str()
		case memberNetwork:
			e.Network = s.str()
		case memberExitCode:
			e.ContainerExitCode = number(s.integer())
		case memberHealthStatus:
			e.HealthStatus = s.str()
		case memberHealthLog:
			e.HealthLog = s.str()
		case memberHealthStreak:
			e.HealthFailingStreak = int(s.integer())
		case memberError:
			e.Error = s.str()
		case memberInspect:
			e.ContainerInspectData = s.str()
		case memberAttributes:
			labels = e.scanLabels(s, labels)
		case memberUID:
			e.UID = user(s.integer())
		case memberHost:
			e.Host = s.str()
		}
	}
	if s.odd {
		return labels, nil
	}
	return labels, some.apply(&e.Event)
}

// scanLabels reads the attributes.
func (e *sentEvent) scanLabels(s *scan, labels []string) []string {
	if s.peek() == 'n' {
		s.giveUp()
	}
	start := len(labels)
	for label := range s.members() {
		labels = append(labels, label, s.strOrNull())
	}
	if e.labels = labels[start:len(labels):len(labels)]; e.labels == nil {
		e.labels = []string{}
	}
	return labels
}
