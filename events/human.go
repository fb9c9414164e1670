package events

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/internal/visible"
)

// shortID is the length that podman cuts an ID to where it truncates.
const shortID = 12

// humanTime is the form in which podman events prints a time.
const humanTime = "2006-01-02 15:04:05.999999999 -0700 MST"

// ToHumanReadable returns the line that podman events prints for the event,
// with the labels sorted, which Podman prints in random order. With truncate
// the ID is cut to 12 letters, without the algorithm of a digest.
func (e *Event) ToHumanReadable(truncate bool) string {
	return string(e.AppendHumanReadable(nil, truncate))
}

// AppendHumanReadable appends what ToHumanReadable returns.
func (e *Event) AppendHumanReadable(dst []byte, truncate bool) []byte {
	id := e.ID
	if truncate {
		if _, digest, found := strings.Cut(id, ":"); found {
			id = digest
		}
		id = id[:min(len(id), shortID)]
	}
	dst = appendHumanTime(dst, e.Time)
	start := len(dst)
	dst = appendAll(dst, " ", string(e.Type), " ", string(e.Status))
	switch e.Type {
	case Container, Pod:
		dst = appendAll(dst, " ", id, " (image=", e.Image, ", name=", e.Name)
		dst = append(e.appendHumanDetails(dst), ')')
	case Network:
		dst = e.appendHumanNetwork(dst, id)
	case Image, Artifact:
		dst = appendAll(dst, " ", id, " ", e.Name)
		dst = appendIf(dst, " ", e.Error)
	case System:
		dst = appendIf(dst, " ", e.Name)
	case Volume, Machine:
		dst = appendAll(dst, " ", e.Name)
	case Secret:
		dst = appendAll(dst, " ", id)
	default:
		dst = appendIf(dst, " ", id)
		dst = appendIf(dst, " ", e.Name)
	}
	if !visible.IsPlain(dst[start:]) {
		return append(dst[:start], visible.Text(string(dst[start:]))...)
	}
	return dst
}

func (e *Event) appendHumanDetails(dst []byte) []byte {
	dst = appendIf(dst, ", pod_id=", e.PodID)
	dst = appendIf(dst, ", health_status=", e.HealthStatus)
	if e.HealthStatus != "" || e.HealthFailingStreak > 0 {
		dst = strconv.AppendInt(append(dst, ", health_failing_streak="...), int64(e.HealthFailingStreak), 10)
	}
	if e.HealthStatus != "" || e.HealthLog != "" {
		dst = append(append(dst, ", health_log="...), e.HealthLog...)
	}
	var few [16]string
	keys := few[:0]
	for key := range e.Attributes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		dst = appendAll(dst, ", ", key, "=", e.Attributes[key])
	}
	return dst
}

func (e *Event) appendHumanNetwork(dst []byte, id string) []byte {
	if e.Status != Create && e.Status != Remove {
		return appendAll(dst, " ", id, " (container=", id, ", name=", e.Network, ")")
	}
	dst = appendAll(dst, " ", id, " (name=", e.Network)
	return append(appendIf(dst, ", type=", e.Attributes["driver"]), ')')
}

func appendAll(dst []byte, texts ...string) []byte {
	for _, text := range texts {
		dst = append(dst, text...)
	}
	return dst
}

// appendIf appends a value with its name, if there is one.
func appendIf(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return append(append(dst, name...), value...)
}

// appendHumanTime appends a time in the form of humanTime. That of time.Format
// reads the form again for each time, and takes twice as long.
func appendHumanTime(dst []byte, t time.Time) []byte {
	shown := t
	zone, offset := t.Zone()
	t = t.UTC().Add(time.Duration(offset) * time.Second) // what its clock shows, without asking the zone again
	year, month, day := t.Date()
	if year < 1000 || year > 9999 || offset%60 != 0 || zone == "" {
		return shown.AppendFormat(dst, humanTime)
	}
	hour, minute, second := t.Clock()
	dst = strconv.AppendInt(dst, int64(year), 10)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, ' '), hour)
	dst = appendTwo(append(dst, ':'), minute)
	dst = appendTwo(append(dst, ':'), second)
	if fraction := t.Nanosecond(); fraction > 0 {
		var digits [10]byte
		digits[0] = '.'
		for i := len(digits) - 1; i > 0; i-- {
			digits[i] = byte('0' + fraction%10)
			fraction /= 10
		}
		end := len(digits)
		for digits[end-1] == '0' {
			end--
		}
		dst = append(dst, digits[:end]...)
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = appendTwo(append(dst, ' ', sign), offset/3600)
	dst = appendTwo(dst, offset/60%60)
	return append(append(dst, ' '), zone...)
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}
