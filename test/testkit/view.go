package testkit

import (
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// View returns the fields of an event that filters read.
func View(e *events.Event) *filter.View {
	v := &filter.View{
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
	return v
}
