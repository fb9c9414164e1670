package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/events"
)

// templateEvent is an event in a template: its fields, some of them as in Podman's
// templates.
type templateEvent struct {
	*events.Event
	Time       templateTime
	TimeNano   int64
	Attributes map[string]string
}

// templateTime is a time in a template: it prints as Unix seconds, as in Podman 5, and
// has the methods of a time, as in Podman 4.
type templateTime struct{ time.Time }

// String returns Unix seconds.
func (t templateTime) String() string { return strconv.FormatInt(t.Unix(), 10) }

// MarshalJSON returns the same as a number.
func (t templateTime) MarshalJSON() ([]byte, error) { return []byte(t.String()), nil }

// noAttributes are the attributes of an event without any: {} in JSON, and never null.
var noAttributes = map[string]string{}

func newTemplateEvent(e *events.Event) *templateEvent {
	t := &templateEvent{Event: e, Time: templateTime{e.Time}, TimeNano: e.Time.UnixNano(), Attributes: e.Attributes}
	if t.Attributes == nil {
		t.Attributes = noAttributes
	}
	return t
}

// MarshalJSON makes {{json .}} the line that --format json prints.
func (e *templateEvent) MarshalJSON() ([]byte, error) { return e.AppendOutputJSON(nil), nil }

// String makes {{.}} the line that is printed without a template.
func (e *templateEvent) String() string { return e.ToHumanReadable(false) }

// ToJSONString returns the line that --format json prints.
func (e *templateEvent) ToJSONString() string { return string(e.AppendOutputJSON(nil)) }

// templateFields are the fields, for error messages.
const templateFields = ".Attributes .ContainerExitCode .ContainerInspectData .Cursor .Error .HealthFailingStreak .HealthLog " +
	".HealthStatus .Host .ID .Image .Name .Network .PodID .Status .Time .TimeNano .Type .UID"

// templateFunctions are the functions of Podman's formats.
var templateFunctions = template.FuncMap{
	"join":     strings.Join,
	"json":     compactJSON,
	"lower":    func(text any) string { return strings.ToLower(fmt.Sprint(text)) },
	"pad":      func(text any, before, after int) string { return pad(fmt.Sprint(text), before, after) },
	"split":    strings.Split,
	"title":    func(text any) string { return title(fmt.Sprint(text)) },
	"truncate": func(text any, length int) string { return cut(fmt.Sprint(text), length) },
	"upper":    func(text any) string { return strings.ToUpper(fmt.Sprint(text)) },
}

// pad adds blanks before and after a text that is not empty.
func pad(text string, before, after int) string {
	if text == "" {
		return ""
	}
	return strings.Repeat(" ", max(0, before)) + text + strings.Repeat(" ", max(0, after))
}

// title capitalizes each word.
func title(text string) string {
	previous := ' '
	return strings.Map(func(r rune) rune {
		begins := !unicode.IsLetter(previous) && !unicode.IsDigit(previous) && previous != '_' && previous != '\''
		previous = r
		if begins {
			return unicode.ToTitle(r)
		}
		return r
	}, text)
}

// cut truncates a text to a number of letters.
func cut(text string, length int) string {
	letters := []rune(text)
	return string(letters[:min(max(0, length), len(letters))])
}

// parseTemplate returns a function that prints a value such as the sample with a Go
// template, as Podman does: \n and \t in it are a newline and a tab, and a line ends in a
// newline even if the template does not. fields are its fields, for error messages.
func parseTemplate(format string, sample any, fields string) (func(w io.Writer, value any) error, error) {
	text := strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	t, err := template.New("format").Funcs(templateFunctions).Parse(text)
	if err != nil {
		return nil, badTemplate(format, err, fields)
	}
	// An unknown field is reported now, and not with the first value.
	if err := t.Execute(io.Discard, sample); isUnknownField(err) {
		return nil, badTemplate(format, err, fields)
	}
	return func(w io.Writer, value any) error {
		var b strings.Builder
		if err := t.Execute(&b, value); err != nil {
			return badTemplate(format, err, fields)
		}
		_, err := io.WriteString(w, b.String())
		return err
	}, nil
}

// sampleEvent is for trying a template.
var sampleEvent = events.Event{
	ContainerExitCode: new(int), ID: strings.Repeat("0", 64), Image: "image", Name: "name", Status: events.Create,
	Time: time.Unix(0, 0), Type: events.Container, Details: events.Details{Attributes: map[string]string{"label": "value"}},
}

func isUnknownField(err error) bool {
	return err != nil && strings.Contains(err.Error(), "can't evaluate field")
}

// badTemplate rewrites an error of text/template for users of the flag.
func badTemplate(format string, err error, fields string) error {
	text := strings.TrimPrefix(err.Error(), "template: format:")
	// The rest begins with the line, and maybe the column, of the error.
	text = strings.TrimLeft(text, "0123456789: ")
	text, _, _ = strings.Cut(text, " started at format:")
	text = strings.ReplaceAll(text, `executing "format" `, "")
	text, _, _ = strings.Cut(text, " in type ")
	if isUnknownField(err) {
		text += "; the fields are " + fields
	}
	return errors.Errorf("cannot use --format %q: %s", format, text)
}
