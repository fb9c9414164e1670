package eventline

import (
	"slices"
	"strings"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// shortID is the length to which podman truncates an ID.
const shortID = 12

// AppendHuman appends the line that podman events prints, with the labels sorted
// (Podman prints them in random order). With truncate the ID, which then must have no
// escapes, is cut to 12 letters, without a digest's algorithm.
func (l *Line) AppendHuman(dst []byte, c *Clock, truncate bool) []byte {
	id := l.ID
	if truncate {
		if _, digest, found := strings.Cut(id, ":"); found {
			id = digest
		}
		id = id[:min(len(id), shortID)]
	}
	dst = c.appendHuman(dst, l.Time)
	start := len(dst)
	dst = append(append(append(append(dst, ' '), l.Type...), ' '), l.Status...)
	switch l.Type {
	case "container", "pod":
		dst = l.append(l.append(dst, " ", id), " (image=", l.Image)
		dst = append(l.appendDetails(l.append(dst, ", name=", l.Name)), ')')
	case "network":
		dst = l.appendNetwork(l.append(dst, " ", id), id)
	case "image", "artifact":
		dst = l.append(l.append(dst, " ", id), " ", l.Name)
		dst = l.appendIf(dst, " ", l.Error)
	case "system":
		dst = l.appendIf(dst, " ", l.Name)
	case "volume", "machine":
		dst = l.append(dst, " ", l.Name)
	case "secret":
		dst = l.append(dst, " ", id)
	default:
		dst = l.appendIf(l.appendIf(dst, " ", id), " ", l.Name)
	}
	if visible.IsPlain(dst[start:]) {
		return dst
	}
	return append(dst[:start], visible.Text(string(dst[start:]))...)
}

func (l *Line) appendDetails(dst []byte) []byte {
	dst = l.appendIf(dst, ", pod_id=", l.PodID)
	dst = l.appendIf(dst, ", health_status=", l.HealthStatus)
	if streak := l.Streak; l.HealthStatus != "" || streak != "" {
		if dst = append(dst, ", health_failing_streak="...); streak == "" {
			streak = "0"
		}
		dst = append(dst, streak...)
	}
	if l.HealthStatus != "" || l.HealthLog != "" {
		dst = l.append(dst, ", health_log=", l.HealthLog)
	}
	l.Labels.each(func(name, value string) {
		dst = append(append(append(dst, ", "...), name...), '=')
		dst = l.append(dst, "", value)
	})
	return dst
}

func (l *Line) appendNetwork(dst []byte, id string) []byte {
	if l.Status != "create" && l.Status != "remove" {
		dst = l.append(l.append(dst, " (container=", id), ", name=", l.Network)
		return append(dst, ')')
	}
	dst = l.append(dst, " (name=", l.Network)
	l.Labels.each(func(name, value string) {
		if name == "driver" {
			dst = l.appendIf(dst, ", type=", value)
		}
	})
	return append(dst, ')')
}

// append appends a text after another.
func (l *Line) append(dst []byte, before, text string) []byte {
	dst = append(dst, before...)
	if l.Escaped && strings.IndexByte(text, '\\') >= 0 {
		return jsonstring.AppendUnescaped(dst, text)
	}
	return append(dst, text...)
}

// appendIf appends a text after another, unless it is empty.
func (l *Line) appendIf(dst []byte, before, text string) []byte {
	if text == "" {
		return dst
	}
	return l.append(dst, before, text)
}

// each calls a function for the labels, in the order of their names.
func (l *Labels) each(do func(name, value string)) {
	if l.JSON == "" {
		var few [16]string
		names := few[:0]
		for name := range l.Map {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			do(name, l.Map[name])
		}
		return
	}
	for i := 0; i < len(l.Spans); i += 2 {
		name, value := l.Spans[i], l.Spans[i+1]
		do(l.Text[name.Start:name.End], l.Text[value.Start:value.End])
	}
}
