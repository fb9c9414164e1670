package eventline

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// shortID is the length that podman cuts an ID to where it truncates.
const shortID = 12

// AppendHuman appends the line that podman events prints, with the labels sorted, which
// Podman prints in random order. With truncate the ID is cut to 12 letters, without the
// algorithm of a digest.
func (l *Line) AppendHuman(dst []byte, c *Clock, truncate bool) []byte {
	id := l.ID
	if truncate {
		text := string(id.append(nil, ""))
		if _, digest, found := strings.Cut(text, ":"); found {
			text = digest
		}
		id = Text{Text: text[:min(len(text), shortID)]}
	}
	dst = c.appendHuman(dst, l.Time)
	start := len(dst)
	dst = append(append(append(append(dst, ' '), l.Type...), ' '), l.Status...)
	switch l.Type {
	case "container", "pod":
		dst = l.Image.append(id.append(dst, " "), " (image=")
		dst = append(l.appendDetails(l.Name.append(dst, ", name=")), ')')
	case "network":
		dst = l.appendNetwork(id.append(dst, " "), &id)
	case "image", "artifact":
		dst = l.Name.append(id.append(dst, " "), " ")
		dst = l.Error.appendIf(dst, " ")
	case "system":
		dst = l.Name.appendIf(dst, " ")
	case "volume", "machine":
		dst = l.Name.append(dst, " ")
	case "secret":
		dst = id.append(dst, " ")
	default:
		dst = l.Name.appendIf(id.appendIf(dst, " "), " ")
	}
	if visible.IsPlain(dst[start:]) {
		return dst
	}
	return append(dst[:start], visible.Text(string(dst[start:]))...)
}

func (l *Line) appendDetails(dst []byte) []byte {
	dst = l.PodID.appendIf(dst, ", pod_id=")
	dst = l.HealthStatus.appendIf(dst, ", health_status=")
	if streak := l.Streak; l.HealthStatus.Text != "" || streak != "" {
		if dst = append(dst, ", health_failing_streak="...); streak == "" {
			streak = "0"
		}
		dst = append(dst, streak...)
	}
	if l.HealthStatus.Text != "" {
		dst = l.HealthLog.append(dst, ", health_log=")
	} else {
		dst = l.HealthLog.appendIf(dst, ", health_log=")
	}
	l.Labels.each(func(name, value Text) {
		dst = value.append(append(name.append(dst, ", "), '='), "")
	})
	return dst
}

func (l *Line) appendNetwork(dst []byte, id *Text) []byte {
	if l.Status != "create" && l.Status != "remove" {
		dst = l.Network.append(id.append(dst, " (container="), ", name=")
		return append(dst, ')')
	}
	dst = l.Network.append(dst, " (name=")
	l.Labels.each(func(name, value Text) {
		if name.Text == "driver" {
			dst = value.appendIf(dst, ", type=")
		}
	})
	return append(dst, ')')
}

// each calls a function for the labels, in the order of their names.
func (l *Labels) each(do func(name, value Text)) {
	if l.JSON == "" {
		var few [16]string
		names := few[:0]
		for name := range l.Map {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			do(Text{Text: name}, Text{Text: l.Map[name]})
		}
		return
	}
	s := jsonscan.Scanner{Text: unsafe.Slice(unsafe.StringData(l.JSON), len(l.JSON))}
	for s.Pos++; ; s.Pos++ { // after the bracket, or the comma
		s.Space()
		name, _, ok := s.String()
		s.Space()
		if !ok || !s.Byte(':') {
			return
		}
		s.Space()
		value, _, ok := s.String()
		if !ok {
			return
		}
		do(Text{l.JSON[name.Start:name.End], true}, Text{l.JSON[value.Start:value.End], true})
		s.Space()
	}
}

// append appends a text after another.
func (t *Text) append(dst []byte, before string) []byte {
	dst = append(dst, before...)
	if t.JSON && strings.IndexByte(t.Text, '\\') >= 0 {
		return jsonstring.AppendUnescaped(dst, t.Text)
	}
	return append(dst, t.Text...)
}

// appendIf appends a text after another, if it is there.
func (t *Text) appendIf(dst []byte, before string) []byte {
	if t.Text == "" {
		return dst
	}
	return t.append(dst, before)
}
