package oldclient

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"
)

// event is a reply as decoded by the client. Its names are those of templates and of
// JSON lines.
type event struct {
	ContainerExitCode int    `json:",omitempty"`
	ID                string `json:",omitempty"`
	Image             string `json:",omitempty"`
	Name              string `json:",omitempty"`
	Status            string
	Time              time.Time
	Type              string
}

// The words that the client knows.
var (
	types    = []string{"container", "image", "pod", "volume", "system"}
	statuses = strings.Fields("attach checkpoint cleanup commit create died exec export history import init kill " +
		"loadfromarchive mount pause prune pull push refresh remove renumber restart restore save start stop sync tag " +
		"unmount unpause untag")
)

// eventsOptions are the flags of the command events.
type eventsOptions struct {
	filters              []string
	since, until, format string
	stream               bool
}

func parseEvents(args []string) (eventsOptions, error) {
	o := eventsOptions{filters: []string{}, stream: true}
	for len(args) > 0 {
		name, value, joined := strings.Cut(args[0], "=")
		args = args[1:]
		if !joined && name != "--stream" && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch name {
		case "--filter":
			o.filters = append(o.filters, value)
		case "--since":
			o.since = value
		case "--until":
			o.until = value
		case "--format":
			o.format = value
		case "--stream":
			o.stream = value != "false"
		default:
			return o, fmt.Errorf("unknown argument %s", name)
		}
	}
	return o, nil
}

// request returns the call, byte for byte.
func (o *eventsOptions) request() string {
	parameters, _ := json.Marshal(struct {
		Filter []string `json:"filter"`
		Since  string   `json:"since"`
		Until  string   `json:"until"`
	}{o.filters, o.since, o.until})
	more := ""
	if o.stream {
		more = `,"more":true`
	}
	return `{"method":"io.podman.GetEvents","parameters":` + string(parameters) + more + "}"
}

// events follows until the service or the client stops.
func events(w *wire, args []string, stdout io.Writer) error {
	o, err := parseEvents(args)
	if err != nil {
		return err
	}
	if err := w.send(o.request()); err != nil {
		return err
	}
	show, err := printer(o.format)
	if err != nil {
		return err
	}
	for {
		r, err := w.receive()
		if err != nil {
			return err
		}
		var in struct {
			Events struct{ ID, Image, Name, Status, Time, Type string } `json:"events"`
		}
		r.decode(&in)
		got := in.Events
		if got.Time == "" && got.Status == "" && got.Type == "" {
			return nil
		}
		e := event{ID: got.ID, Image: got.Image, Name: got.Name, Status: got.Status, Type: got.Type}
		if e.Time, err = time.Parse(time.RFC3339Nano, got.Time); err != nil {
			return fmt.Errorf("unable to parse time of event %s: %w", got.Time, err)
		}
		if !slices.Contains(types, e.Type) {
			return fmt.Errorf("unknown event type %q", e.Type)
		}
		if !slices.Contains(statuses, e.Status) {
			return fmt.Errorf("unknown event status %q", e.Status)
		}
		line, err := show(&e)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(stdout, line+"\n"); err != nil {
			return err
		}
		if !r.Continues {
			return nil
		}
	}
}

// printer returns the function that formats an event as a line.
func printer(format string) (func(*event) (string, error), error) {
	switch format {
	case "":
		return func(e *event) (string, error) { return e.human(), nil }, nil
	case "json":
		return func(e *event) (string, error) {
			line, err := json.Marshal(e)
			return string(line), err
		}, nil
	}
	t, err := template.New("events").Parse(format)
	return func(e *event) (string, error) {
		var b strings.Builder
		err := t.Execute(&b, e)
		return b.String(), err
	}, err
}

func (e *event) human() string {
	line := fmt.Sprintf("%s %s %s", e.Time, e.Type, e.Status)
	switch e.Type {
	case "container", "pod":
		return fmt.Sprintf("%s %s (image=%s, name=%s)", line, e.ID, e.Image, e.Name)
	case "image":
		return fmt.Sprintf("%s %s %s", line, e.ID, e.Name)
	case "volume":
		return line + " " + e.Name
	}
	return line
}
