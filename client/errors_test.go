package client

import (
	"errors"
	"strings"
	"testing"

	"github.com/eventsvc/eventsvc/events"
)

// Errors at the start are typed.
func TestErrors_atTheStart(t *testing.T) {
	for _, test := range []struct {
		name, reply string
		is          func(error) bool
	}{
		{
			"Bad filter", `{"error":"io.podman.events.InvalidFilter","parameters":{"filter":"tpye=x","reason":"why"}}`,
			func(err error) bool {
				e, ok := as[*events.FilterError](err)
				return ok && e.Filter == "tpye=x" && e.Reason == "why"
			},
		},
		{
			"Bad time", `{"error":"io.podman.events.InvalidTime","parameters":{"field":"since","value":"x","reason":"why"}}`,
			func(err error) bool {
				e, ok := as[*events.TimeError](err)
				return ok && e.Field == "since" && e.Value == "x"
			},
		},
		{
			"Bad cursor", `{"error":"io.podman.events.InvalidCursor","parameters":{"cursor":"x","reason":"why"}}`,
			func(err error) bool { e, ok := as[*events.CursorError](err); return ok && e.Cursor == "x" },
		},
		{
			"No store", `{"error":"io.podman.events.BackendUnavailable","parameters":{"backend":"none","reason":"why"}}`,
			func(err error) bool {
				e, ok := as[*events.UnavailableError](err)
				return ok && e.Backend == events.Null && e.Reason == "why"
			},
		},
		{
			"No permission", `{"error":"org.varlink.service.PermissionDenied","parameters":{}}`,
			func(err error) bool { return errors.Is(err, ErrPermissionDenied) },
		},
		{
			"Another error keeps its name", `{"error":"com.example.Odd","parameters":{"x":1}}`,
			func(err error) bool { return strings.Contains(err.Error(), `com.example.Odd {"x":1}`) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t)
			f.refusal = test.reply
			_, err := f.client().Subscribe(t.Context(), SubscribeOptions{})
			if !test.is(err) {
				t.Errorf("the error is %#v: %v", err, err)
			}
			if calls := f.called(); len(calls) != 1 {
				t.Errorf("the client called %q, want one call", calls)
			}
		})
	}
}

func as[T error](err error) (T, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}
