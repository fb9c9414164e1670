package client

import "github.com/eventsvc/eventsvc/events"

// eventMembers are the members of Event in io.podman.events.
var eventMembers = []string{
	"cursor", "time", "timestampUSec", "type", "status", "rawType", "rawStatus", "id", "name", "image", "podId",
	"network", "exitCode", "healthStatus", "healthLog", "healthFailingStreak", "error", "containerInspectData",
	"attributes", "uid", "host",
}

// scanEvent reads an event. The service leaves absent members out: null is odd.
func scanEvent(s *scan, e *events.Event) error {
	var once seen
	var some words
	for key := range s.members() {
		if s.peek() == 'n' {
			s.giveUp()
			break
		}
		switch key {
		case "cursor":
			once.twice(s, 0)
			e.Cursor = s.str()
		case "time":
			once.twice(s, 1)
			some.time = s.str()
		case "timestampUSec":
			once.twice(s, 2)
			s.integer()
		case "type":
			once.twice(s, 3)
			some.kind = s.str()
		case "status":
			once.twice(s, 4)
			some.status = s.str()
		case "rawType":
			once.twice(s, 5)
			some.rawType = s.str()
		case "rawStatus":
			once.twice(s, 6)
			some.rawStatus = s.str()
		case "id":
			once.twice(s, 7)
			e.ID = s.str()
		case "name":
			once.twice(s, 8)
			e.Name = s.str()
		case "image":
			once.twice(s, 9)
			e.Image = s.str()
		case "podId":
			once.twice(s, 10)
			e.PodID = s.str()
		case "attributes":
			once.twice(s, 11)
			e.Attributes = make(map[string]string)
			for label := range s.members() {
				e.Attributes[label] = s.strOrNull()
			}
		default:
			scanRareMember(s, e, key, &once)
		}
	}
	if s.odd {
		return nil
	}
	return some.apply(e)
}

// scanRareMember reads a member that most events lack.
func scanRareMember(s *scan, e *events.Event, key string, once *seen) {
	switch key {
	case "network":
		once.twice(s, 12)
		e.Network = s.str()
	case "exitCode":
		once.twice(s, 13)
		e.ContainerExitCode = number(s.integer())
	case "healthStatus":
		once.twice(s, 14)
		e.HealthStatus = s.str()
	case "healthLog":
		once.twice(s, 15)
		e.HealthLog = s.str()
	case "healthFailingStreak":
		once.twice(s, 16)
		e.HealthFailingStreak = int(s.integer())
	case "error":
		once.twice(s, 17)
		e.Error = s.str()
	case "containerInspectData":
		once.twice(s, 18)
		e.ContainerInspectData = s.str()
	case "uid":
		once.twice(s, 19)
		e.UID = user(s.integer())
	case "host":
		once.twice(s, 20)
		e.Host = s.str()
	default:
		other(s, key, eventMembers...)
	}
}
