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
// of them differ in case alone, which readers such as encoding/json and PowerShell take
// for the same: so there is no Time beside time. Attributes are {} where there are none,
// and never null.
func (l *Line) AppendJSON(dst []byte, c *Clock) []byte {
	start := len(dst)
	dst = append(dst, '{')
	if l.ExitCode != "" {
		dst = append(append(append(dst, `"ContainerExitCode":`...), l.ExitCode...), ',')
	}
	dst = l.ID.appendJSON(dst, `"ID":"`)
	dst = l.Image.appendJSON(dst, `"Image":"`)
	dst = l.Name.appendJSON(dst, `"Name":"`)
	dst = l.Network.appendJSON(dst, `"network":"`)
	dst = append(jsonstring.Append(append(dst, `"Status":`...), l.Status), `,"time":`...)
	from := len(dst)
	dst = strconv.AppendInt(dst, l.Time.Unix(), 10)
	seconds := dst[from:]
	dst = append(dst, `,"timeNano":`...)
	if ns := nanos.Of(l.Time); ns < int64(time.Second) || ns == math.MaxInt64 {
		dst = strconv.AppendInt(dst, ns, 10)
	} else {
		dst = appendNine(append(dst, seconds...), l.Time.Nanosecond())
	}
	dst = append(dst, `,"Type":`...)
	dst = append(jsonstring.Append(dst, l.Type), ',')
	dst = l.HealthStatus.appendJSON(dst, `"health_status":"`)
	dst = l.HealthLog.appendJSON(dst, `"health_log":"`)
	if l.Streak != "" {
		dst = append(append(append(dst, `"health_failing_streak":`...), l.Streak...), ',')
	}
	dst = l.Error.appendJSON(dst, `"Error":"`)
	dst = l.Inspect.appendJSON(dst, `"ContainerInspectData":"`)
	dst = l.PodID.appendJSON(dst, `"PodID":"`)
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
	dst = l.Host.appendJSON(dst, `"Host":"`)
	dst = l.Cursor.appendJSON(dst, `"Cursor":"`)
	dst[len(dst)-1] = '}' // for the comma
	if visible.IsPlain(dst[start:]) {
		return dst
	}
	return append(dst[:start], visible.JSON(dst[start:])...)
}

// appendJSON appends a member, given the text before its value.
func (t *Text) appendJSON(dst []byte, before string) []byte {
	if t.Text == "" {
		return dst
	}
	dst = append(dst, before...)
	if t.JSON {
		return append(append(dst, t.Text...), `",`...)
	}
	return append(jsonstring.Append(dst[:len(dst)-1], t.Text), ',')
}
