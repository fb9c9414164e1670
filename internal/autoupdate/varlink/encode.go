package varlink

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/eventsvc/eventsvc/internal/autoupdate"
	"github.com/eventsvc/eventsvc/iopodmanautoupdate"
)

// optional returns nil for the zero value.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func text(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// each encodes the elements of a list.
func each[T, E any](all []T, encode func(T) E) []E {
	list := make([]E, len(all))
	for i, one := range all {
		list[i] = encode(one)
	}
	return list
}

func container(m autoupdate.Managed) iopodmanautoupdate.Container {
	return iopodmanautoupdate.Container{
		Id: m.ID, Name: m.Name, Unit: m.Unit, Image: m.Image, ImageId: m.ImageID, Policy: string(m.Policy), Mode: string(m.Mode),
		SettleSec: int64(m.Settle / time.Second), MinAgeSec: int64(m.MinAge / time.Second), Problem: optional(m.Problem),
	}
}

func outcome(r autoupdate.Result) iopodmanautoupdate.Outcome {
	return iopodmanautoupdate.Outcome{
		Unit: r.Unit, Id: r.ContainerID, Name: r.ContainerName, Image: r.Image, Policy: r.Policy,
		Result: iopodmanautoupdate.Result(strings.ReplaceAll(string(r.Result), "-", "_")), Updated: r.Updated,
		From: optional(r.From), To: optional(r.To), Reason: optional(r.Error), Down: r.Down, DurationMSec: optional(r.Milliseconds),
	}
}

func run(r autoupdate.Report) iopodmanautoupdate.Run {
	return iopodmanautoupdate.Run{
		Id: r.ID, Start: text(r.Start), End: text(r.End), ExitCode: int64(r.ExitCode()),
		Requests: int64(r.Requests), Outcomes: each(r.Results, outcome),
	}
}

func holds(all map[string]autoupdate.Hold) []iopodmanautoupdate.ImageHold {
	list := make([]iopodmanautoupdate.ImageHold, 0, len(all))
	for _, image := range slices.Sorted(maps.Keys(all)) {
		h := all[image]
		hold := iopodmanautoupdate.ImageHold{Image: image, Digest: optional(h.Digest), Failures: int64(h.Failures), Reason: h.Reason}
		if !h.Until.IsZero() {
			hold.Until = new(text(h.Until))
		}
		list = append(list, hold)
	}
	return list
}

func step(s autoupdate.Step) *iopodmanautoupdate.Step {
	return &iopodmanautoupdate.Step{Name: s.Name, Object: s.Object, DurationMSec: optional(s.For.Milliseconds())}
}
