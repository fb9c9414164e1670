package eventline

import (
	"math"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/nanos"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// AppendJSON appends the line as JSON, without the newline: the members of Podman 5's
// events --format json under their names, then those that only this service has. No two
// names differ only in case, since readers such as encoding/json and PowerShell would
// confuse them: so there is no Time beside time. Attributes are {} if there are none,
// and never null.
func (l *Line) AppendJSON(dst []byte, c *Clock) []byte {
	start := len(dst)
	dst = append(dst, '{')
	if l.ExitCode != "" {
		dst = append(append(append(dst, `"ContainerExitCode":`...), l.ExitCode...), ',')
	}
	dst = l.appendText(dst, `"ID":"`, l.ID)
	dst = l.appendText(dst, `"Image":"`, l.Image)
	dst = l.appendText(dst, `"Name":"`, l.Name)
	dst = l.appendText(dst, `"network":"`, l.Network)
	dst = append(l.appendWord(append(dst, `"Status":`...), l.Status), `,"time":`...)
	const fraction = 9 // digits
	ns := nanos.Of(l.Time)
	if ns < int64(time.Second) || ns == math.MaxInt64 {
		dst = strconv.AppendInt(dst, l.Time.Unix(), 10)
		dst = strconv.AppendInt(append(dst, `,"timeNano":`...), ns, 10)
	} else {
		var b [20]byte
		digits := nanos.Append(b[:0], ns)
		dst = append(dst, digits[:len(digits)-fraction]...)
		dst = append(append(dst, `,"timeNano":`...), digits...)
	}
	dst = append(dst, `,"Type":`...)
	dst = append(l.appendWord(dst, l.Type), ',')
	dst = l.appendText(dst, `"health_status":"`, l.HealthStatus)
	dst = l.appendText(dst, `"health_log":"`, l.HealthLog)
	if l.Streak != "" {
		dst = append(append(append(dst, `"health_failing_streak":`...), l.Streak...), ',')
	}
	dst = l.appendText(dst, `"Error":"`, l.Error)
	dst = l.appendText(dst, `"ContainerInspectData":"`, l.Inspect)
	dst = l.appendText(dst, `"PodID":"`, l.PodID)
	dst = append(dst, `"Attributes":`...)
	switch {
	case l.Labels.JSON != "":
		dst = append(dst, l.Labels.JSON...)
	case len(l.Labels.Map) > 0:
		dst = jsonstring.AppendMap(dst, l.Labels.Map)
	default:
		dst = append(dst, `{}`...)
	}
	dst = append(c.appendRFC3339(append(dst, `,"Timestamp":"`...), l.Time), `",`...)
	if l.UID != "" {
		dst = append(append(append(dst, `"UID":`...), l.UID...), ',')
	}
	dst = l.appendText(dst, `"Host":"`, l.Host)
	dst = l.appendText(dst, `"Cursor":"`, l.Cursor)
	dst[len(dst)-1] = '}' // replaces the comma
	if visible.IsPlain(dst[start:]) {
		return dst
	}
	return append(dst[:start], visible.JSON(dst[start:])...)
}

// appendWord appends a type or status.
func (l *Line) appendWord(dst []byte, word string) []byte {
	if l.Escaped {
		return append(append(append(dst, '"'), word...), '"')
	}
	return jsonstring.Append(dst, word)
}

// appendText appends a member, given the text before its value.
func (l *Line) appendText(dst []byte, before, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(dst, before...)
	if l.Escaped {
		return append(append(dst, text...), `",`...)
	}
	return append(jsonstring.Append(dst[:len(dst)-1], text), ',')
}
