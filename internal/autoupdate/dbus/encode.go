package dbus

import (
	"maps"
	"slices"
	"time"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/internal/dbuswire"
)

// dictionary is an a{sv} that is being encoded.
type dictionary struct {
	*dbuswire.Encoder
	array dbuswire.Array
}

func begin(e *dbuswire.Encoder) dictionary { return dictionary{e, e.Begin(8)} }

func (d dictionary) end() { d.End(d.array) }

// text adds a string, unless it is empty.
func (d dictionary) text(key, value string) {
	if value != "" {
		d.Entry(key, "s")
		d.Text(dbuswire.CleanText(value))
	}
}

func (d dictionary) number(key string, value int64) {
	d.Entry(key, "t")
	d.Uint64(uint64(value))
}

func (d dictionary) time(key string, value time.Time) {
	if !value.IsZero() {
		d.number(key, value.UnixMicro())
	}
}

func (d dictionary) truth(key string, value bool) {
	d.Entry(key, "b")
	d.Bool(value)
}

// list appends an aa{sv}.
func list[T any](e *dbuswire.Encoder, all []T, each func(dictionary, T)) {
	a := e.Begin(4)
	for _, one := range all {
		d := begin(e)
		each(d, one)
		d.end()
	}
	e.End(a)
}

func appendContainers(e *dbuswire.Encoder, all []autoupdate.Managed) {
	list(e, all, func(d dictionary, m autoupdate.Managed) {
		d.text("id", m.ID)
		d.text("name", m.Name)
		d.text("unit", m.Unit)
		d.text("image", m.Image)
		d.text("image_id", m.ImageID)
		d.text("policy", string(m.Policy))
		d.text("mode", string(m.Mode))
		d.number("settle_usec", m.Settle.Microseconds())
		d.number("min_age_usec", m.MinAge.Microseconds())
		d.text("problem", m.Problem)
	})
}

func appendOutcomes(e *dbuswire.Encoder, all []autoupdate.Result) {
	list(e, all, func(d dictionary, r autoupdate.Result) {
		d.text("unit", r.Unit)
		d.text("id", r.ContainerID)
		d.text("name", r.ContainerName)
		d.text("image", r.Image)
		d.text("policy", r.Policy)
		d.text("result", string(r.Result))
		d.text("updated", r.Updated)
		d.text("from", r.From)
		d.text("to", r.To)
		d.text("reason", r.Error)
		d.truth("down", r.Down)
		if r.Milliseconds > 0 {
			d.number("duration_usec", r.Milliseconds*1000)
		}
	})
}

func appendRuns(e *dbuswire.Encoder, all []autoupdate.Report) {
	list(e, all, func(d dictionary, r autoupdate.Report) {
		d.text("id", r.ID)
		d.time("start_usec", r.Start)
		d.time("end_usec", r.End)
		d.number("exit_code", int64(r.ExitCode()))
		d.number("requests", int64(r.Requests))
		d.Entry("outcomes", "aa{sv}")
		appendOutcomes(d.Encoder, r.Results)
	})
}

func appendHolds(e *dbuswire.Encoder, all map[string]autoupdate.Hold) {
	list(e, slices.Sorted(maps.Keys(all)), func(d dictionary, image string) {
		h := all[image]
		d.text("image", image)
		d.text("digest", h.Digest)
		d.time("until_usec", h.Until)
		d.number("failures", int64(h.Failures))
		d.text("reason", h.Reason)
	})
}
