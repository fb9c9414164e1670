package client

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/eventline"
	"github.com/eventsvc/eventsvc/internal/jsonscan"
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

var eventMembers = [...]string{
	"cursor", "time", "timestampUSec", "type", "status", "rawType", "rawStatus", "id", "name", "image", "podId",
	"network", "exitCode", "healthStatus", "healthLog", "healthFailingStreak", "error", "containerInspectData",
	"attributes", "uid", "host",
}

// eventNames are the names as they are spelled in a reply.
var eventNames = func() jsonscan.Names {
	var names []string
	for _, member := range eventMembers {
		names = append(names, `"`+member+`":`)
	}
	return jsonscan.NewNames(names...)
}()

// sentEvent is an event in a reply: the positions of its members. It is decoded when
// the caller takes it, while the next reply is on its way.
type sentEvent struct {
	reply  string                    // overwritten by the next one
	whole  jsonscan.Span             // the event
	values [len(eventMembers)]quoted // {}: absent
	labels []jsonscan.Span           // names and values by turns; null is {}
	usual  bool                      // as the service writes it: type and status without escapes, the attributes sorted, none null
	odd    *events.Event             // if encoding/json had to decode it
}

// scan finds the members of the event. The service omits absent members, so null is
// odd.
func (e *sentEvent) scan(s *scan) {
	*e = sentEvent{reply: s.text, usual: true}
	var once seen
	next := memberCursor
	s.Space()
	e.whole.Start = uint32(s.Pos)
	if !s.eat('{') {
		s.giveUp()
	}
	for first := true; !s.odd; first = false {
		mark := s.peek()
		if mark == '}' {
			s.Pos++
			break
		}
		if !first {
			if mark != ',' {
				s.giveUp()
				break
			}
			s.Pos++
			s.Space()
		}
		member := s.Name(eventNames, next)
		if member < 0 {
			key := s.plain(s.key())
			if member = slices.Index(eventMembers[:], key); member < 0 {
				other(s, key, eventMembers[:]...)
				continue
			}
		}
		once.twice(s, uint(member))
		next = member + 1
		switch member {
		case memberTimestamp, memberExitCode, memberHealthStreak, memberUID:
			e.values[member].Span = s.digits()
		case memberAttributes:
			s.Space()
			start := s.Pos
			var usual bool
			e.labels, usual = s.labels()
			e.values[member].Span, e.usual = jsonscan.Span{Start: uint32(start), End: uint32(s.Pos)}, e.usual && usual
		case memberType, memberStatus, memberRawType, memberRawStatus:
			e.values[member] = s.quoted()
			e.usual = e.usual && !e.values[member].escaped
		default:
			e.values[member] = s.quoted()
		}
	}
	e.whole.End = uint32(s.Pos)
}

// copySize is how much of a reply is copied at a time, in bytes, so that a program that
// keeps one event does not keep the whole page.
const copySize = 8 << 10

// copied is a copy of a part of a reply, for the strings of the events in it.
type copied struct {
	text string
	at   uint32 // its offset in the reply
}

// of copies again from an event on, unless the copy contains the event.
func (c *copied) of(e *sentEvent) {
	if start, size := e.whole.Start, int(e.whole.End); start < c.at || size > int(c.at)+len(c.text) {
		size = min(max(size, int(start)+copySize), len(e.reply))
		*c = copied{strings.Clone(e.reply[start:size]), start}
	}
}

// into fills in an event, and reuses its map for the attributes. On an error the event
// is unchanged. The copy is one of the same reply, or empty.
func (e *sentEvent) into(into *events.Event, c *copied) error {
	if e.odd != nil {
		*into = *e.odd
		return nil
	}
	c.of(e)
	value := func(member int) string { return e.values[member].plain(c) }
	at, err := parseTime(value(memberTime))
	if err != nil {
		return err
	}
	into.Time = at
	into.Type = libpodWord(value(memberType), value(memberRawType), wireTypes)
	into.Status = libpodWord(value(memberStatus), value(memberRawStatus), wireStatuses)
	into.ID, into.Name, into.Image = value(memberID), value(memberName), value(memberImage)
	into.Network, into.Host, into.Cursor = value(memberNetwork), value(memberHost), value(memberCursor)
	into.HealthStatus, into.HealthLog, into.Error = value(memberHealthStatus), value(memberHealthLog), value(memberError)
	attributes := into.Attributes
	into.Details = events.Details{PodID: value(memberPodID), ContainerInspectData: value(memberInspect)}
	into.ContainerExitCode, into.UID, into.HealthFailingStreak, into.Extra = nil, nil, 0, nil
	if code, some := e.integer(memberExitCode); some {
		into.ContainerExitCode = number(code)
	}
	if streak, some := e.integer(memberHealthStreak); some {
		into.HealthFailingStreak = int(streak)
	}
	if uid, some := e.integer(memberUID); some {
		into.UID = user(uid)
	}
	if e.values[memberAttributes].End > 0 {
		into.Attributes = e.attributes(attributes, c)
	}
	return nil
}

// cursor returns the cursor of the event.
func (e *sentEvent) cursor() string {
	if e.odd != nil {
		return e.odd.Cursor
	}
	return strings.Clone(e.values[memberCursor].plain(&copied{text: e.reply}))
}

// appendLine appends the event as a line. Text that has the same form there is copied
// from the reply.
func (e *sentEvent) appendLine(dst []byte, as Line, clock *eventline.Clock) ([]byte, error) {
	reply := copied{text: e.reply}
	if e.odd != nil || !e.usual || as.Truncate && e.values[memberID].escaped {
		var read events.Event
		if err := e.into(&read, &reply); err != nil {
			return dst, err
		}
		return as.append(dst, &read), nil
	}
	at, err := parseTime(e.raw(memberTime))
	if err != nil {
		return dst, err
	}
	line := eventline.Line{
		ExitCode: e.raw(memberExitCode),
		ID:       e.raw(memberID), Image: e.raw(memberImage), Name: e.raw(memberName), Network: e.raw(memberNetwork),
		HealthStatus: e.raw(memberHealthStatus), HealthLog: e.raw(memberHealthLog), Error: e.raw(memberError),
		Inspect: e.raw(memberInspect), PodID: e.raw(memberPodID), Host: e.raw(memberHost), Cursor: e.raw(memberCursor),
		Type:   string(libpodWord(e.raw(memberType), e.raw(memberRawType), wireTypes)),
		Status: string(libpodWord(e.raw(memberStatus), e.raw(memberRawStatus), wireStatuses)),
		Time:   at, Labels: eventline.Labels{JSON: e.raw(memberAttributes), Spans: e.labels, Text: e.reply}, Escaped: true,
	}
	if streak, _ := e.integer(memberHealthStreak); streak != 0 {
		line.Streak = e.raw(memberHealthStreak)
	}
	if uid, some := e.integer(memberUID); some && isUser(uid) {
		line.UID = e.raw(memberUID)
	}
	if as.JSON {
		return line.AppendJSON(dst, clock), nil
	}
	return line.AppendHuman(dst, clock, as.Truncate), nil
}

// raw returns a value as it is in the reply.
func (e *sentEvent) raw(member int) string {
	span := e.values[member]
	return e.reply[span.Start:span.End]
}

// integer returns the value of a number, whose digits scan has checked.
func (e *sentEvent) integer(member int) (n int64, some bool) {
	if e.values[member].End == 0 {
		return 0, false
	}
	n, _ = strconv.ParseInt(e.raw(member), 10, 64)
	return n, true
}

// attributes copies the attributes into a map; nil: a new one.
func (e *sentEvent) attributes(into map[string]string, c *copied) map[string]string {
	if clear(into); into == nil {
		into = make(map[string]string, len(e.labels)/2)
	}
	plain := func(span jsonscan.Span) string {
		if span.End == 0 {
			return ""
		}
		text := c.text[span.Start-c.at : span.End-c.at]
		return quoted{span, strings.IndexByte(text, '\\') >= 0}.plain(c)
	}
	for i := 0; i < len(e.labels); i += 2 {
		into[plain(e.labels[i])] = plain(e.labels[i+1])
	}
	return into
}

// labels reads an object of strings, and reports whether it is as Podman writes it: the
// names sorted and without escapes, and no value null.
func (s *scan) labels() (all []jsonscan.Span, usual bool) {
	from, before := len(s.spans), ""
	usual = true
	if s.peek() != '{' {
		s.giveUp()
	}
	for key := range s.members() {
		var value quoted
		if !s.null() {
			value = s.quoted()
		}
		name := s.text[key.Start:key.End]
		usual = usual && (len(s.spans) == from || name > before) && !key.escaped && value.End > 0
		before = name
		s.spans = append(s.spans, key.Span, value.Span)
	}
	return s.spans[from:len(s.spans):len(s.spans)], usual
}
