package cli

import (
	"io"
	"strconv"
	"time"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
	"github.com/eventsvc/eventsvc/internal/nanos"
	"github.com/eventsvc/eventsvc/internal/visible"
)

// jsonPrinter prints the line of --format json.
func jsonPrinter() printer {
	var line []byte // reused
	return func(w io.Writer, e *events.Event) error {
		line = append(appendEventJSON(line[:0], e), '\n')
		_, err := w.Write(line)
		return err
	}
}

// appendEventJSON appends the line of --format json, which is also what a command of
// exec reads: the members of Podman 5's events --format json under their names, then
// those that only this service has. No two of them differ in case alone, which readers
// such as encoding/json and PowerShell take for the same: so there is no Time beside
// time. Attributes are {} where there are none, and never null.
func appendEventJSON(line []byte, e *events.Event) []byte {
	line = append(line, '{')
	if e.ContainerExitCode != nil {
		line = strconv.AppendInt(append(line, `"ContainerExitCode":`...), int64(*e.ContainerExitCode), 10)
		line = append(line, ',')
	}
	line = appendText(line, "ID", e.ID)
	line = appendText(line, "Image", e.Image)
	line = appendText(line, "Name", e.Name)
	line = appendText(line, "network", e.Network)
	line = append(jsonstring.Append(append(line, `"Status":`...), string(e.Status)), `,"time":`...)
	line = append(strconv.AppendInt(line, e.Time.Unix(), 10), `,"timeNano":`...)
	line = append(strconv.AppendInt(line, nanos.Of(e.Time), 10), `,"Type":`...)
	line = append(jsonstring.Append(line, string(e.Type)), ',')
	line = appendText(line, "health_status", e.HealthStatus)
	line = appendText(line, "health_log", e.HealthLog)
	if e.HealthFailingStreak != 0 {
		line = strconv.AppendInt(append(line, `"health_failing_streak":`...), int64(e.HealthFailingStreak), 10)
		line = append(line, ',')
	}
	line = appendText(line, "Error", e.Error)
	line = appendText(line, "ContainerInspectData", e.ContainerInspectData)
	line = appendText(line, "PodID", e.PodID)
	line = append(line, `"Attributes":{`...)
	for i, key := range sortedKeys(e.Attributes) {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(jsonstring.Append(line, key), ':')
		line = jsonstring.Append(line, e.Attributes[key])
	}
	line = append(line, `},"Timestamp":"`...)
	line = append(e.Time.AppendFormat(line, time.RFC3339Nano), '"')
	if e.UID != nil {
		line = strconv.AppendUint(append(line, `,"UID":`...), uint64(*e.UID), 10)
	}
	if e.Host != "" {
		line = jsonstring.Append(append(line, `,"Host":`...), e.Host)
	}
	if e.Cursor != "" {
		line = jsonstring.Append(append(line, `,"Cursor":`...), e.Cursor)
	}
	return visible.JSON(append(line, '}'))
}

// appendText appends a member that is left out where it is empty.
func appendText(line []byte, name, text string) []byte {
	if text == "" {
		return line
	}
	line = append(append(append(line, '"'), name...), `":`...)
	return append(jsonstring.Append(line, text), ',')
}
