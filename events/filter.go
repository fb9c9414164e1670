package events

import "github.com/eventsvc/eventsvc/internal/filter"

// Filters selects events: filters with the same key widen the selection, filters with
// different keys narrow it. The zero value matches every event. It is immutable, and
// safe for concurrent use.
type Filters struct{ parsed *filter.Filters }

// ParseFilters parses filters of the form key=value, key!=value or +key=value, in an
// extension of Podman 5's grammar: keys are case-insensitive, values are not. The error
// is a *FilterError that names the filter and the nearest valid word.
func ParseFilters(filters []string) (*Filters, error) {
	parsed, err := filter.Parse(filters)
	if err != nil {
		return nil, err
	}
	return &Filters{parsed}, nil
}

// Match reports whether the event passes the filters. health=changed depends on what a
// reader has seen before: here, every verdict of a health check passes it.
func (f *Filters) Match(e *Event) bool {
	if f == nil {
		return true
	}
	v := filter.View{
		TypeCode: filter.CodeOfType(e.Type), StatusCode: filter.CodeOfStatus(e.Status), Type: string(e.Type), Status: string(e.Status),
		ID: e.ID, Name: e.Name, Image: e.Image, Network: e.Network, Host: e.Host,
		UID: -1, Labels: filter.Labels{Map: e.Attributes}, Health: e.HealthStatus,
	}
	if e.ContainerExitCode != nil {
		v.ExitCode, v.HasExitCode = int64(*e.ContainerExitCode), true
	}
	if e.UID != nil {
		v.UID = int64(*e.UID)
	}
	return f.parsed.Match(&v)
}

// Func returns the filters as libpod's function type.
func (f *Filters) Func() EventFilter { return f.Match }
