package dbus

import (
	"math"

	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/nanos"
	"github.com/eventsvc/eventsvc/internal/state"
)

// stateOptions are the options of GetState.
var stateOptions = map[string]string{"since": "s", "all_users": "b"}

// getState replies with the present state of objects, each in the form of an event.
func (k *call) getState(d *dbuswire.Decoder) error {
	p := core.Parameters{Filters: d.Texts(limits.Filters + 1)}
	o, err := d.Options("option", stateOptions)
	if err != nil {
		return err
	}
	if err := d.Done(); err != nil {
		return err
	}
	p.Since, p.AllUsers = text(o, "since"), o["all_users"].Truth
	s, err := aside(k, func() (*core.State, error) { return k.server.core.State(k.Context(), k.caller(), p) }, func(*core.State) {})
	if err != nil {
		return err
	}
	e := dbuswire.NewEncoder(nil)
	list := e.Begin(8)
	for _, o := range s.Objects {
		e.Align(8)
		appendState(&e, o)
	}
	e.End(list)
	e.Text(s.Cursor)
	oldest := uint64(0)
	if !s.Oldest.IsZero() {
		oldest = uint64(max(0, s.Oldest.UnixMicro()))
	}
	e.Uint64(oldest)
	return k.Reply("a("+eventSignature+")st", e.Bytes())
}

func appendState(e *dbuswire.Encoder, o *state.Object) {
	clean := func(text string) string { return dbuswire.CleanText(text[:min(len(text), limits.FilterLength)]) }
	e.Text(clean(string(o.Type)))
	e.Text(clean(string(o.Status)))
	e.Text(clean(o.ID))
	e.Text(clean(o.Name))
	e.Uint64(uint64(max(0, nanos.Of(o.Since)/1000)))
	details := e.Begin(8)
	texts := func(key, text string) {
		if text != "" {
			e.Entry(key, "s")
			e.Text(clean(text))
		}
	}
	texts("image", o.Image)
	texts("host", o.Host)
	if o.ExitCode != nil {
		e.Entry("exit_code", "i")
		e.Uint32(uint32(*o.ExitCode))
	}
	if texts("health_status", o.Health); o.Health != "" {
		e.Entry("health_since_usec", "t")
		e.Uint64(uint64(max(0, nanos.Of(o.HealthSince)/1000)))
	}
	e.Entry("restarts", "u")
	e.Uint32(uint32(min(o.Restarts, math.MaxUint32)))
	if o.UID != nil {
		e.Entry("uid", "u")
		e.Uint32(*o.UID)
	}
	e.End(details)
}
