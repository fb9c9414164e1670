package line

import (
	"bytes"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/nanos"
)

// Append appends the line of an event, as events.Event.AppendJSON does, and fills in
// its fields without parsing the line again. known is false if the fields cannot be
// derived so easily: then call Scan or Normalize.
func Append(dst []byte, e *events.Event, f *Fields) (line []byte, known bool, err error) {
	start := len(dst)
	if line, err = e.AppendJSON(dst); err != nil {
		return line, false, err
	}
	return line, f.of(line[start:], e), nil
}

// of fills in the fields of the line that AppendJSON made of an event. It returns false
// if a text in the line is not the same as in the event.
func (f *Fields) of(b []byte, e *events.Event) bool {
	*f = Fields{}
	if len(e.Extra) > 0 || len(b) > MaxLine || bytes.IndexByte(b, '\\') >= 0 {
		return false
	}
	p := placer{b: b, f: f, i: len("{")}
	if e.ContainerExitCode != nil {
		p.number(ExitCode)
	}
	p.text(ID, len(e.ID))
	p.text(Image, len(e.Image))
	p.text(Name, len(e.Name))
	p.text(Network, len(e.Network))
	p.text(StatusWord, len(e.Status))
	time := p.i + len(memberNames[TimeText]) + len(`"`)
	p.text(TimeText, bytes.IndexByte(b[time:], '"'))
	p.text(TypeWord, len(e.Type))
	p.text(HealthStatus, len(e.HealthStatus))
	p.text(HealthLog, len(e.HealthLog))
	if e.HealthFailingStreak != 0 {
		p.number(HealthStreak)
	}
	p.text(ErrorText, len(e.Error))
	p.text(Inspect, len(e.ContainerInspectData))
	p.text(PodID, len(e.PodID))
	if e.Attributes != nil {
		p.place(Attributes, p.i+len(memberNames[Attributes]), len(b)-len("}"))
	}
	f.Type, f.Status = filter.CodeOfType(f.Raw(b, TypeWord)), filter.CodeOfStatus(f.Raw(b, StatusWord))
	var ok bool
	f.Time, ok = nanos.Parse(f.Raw(b, TimeText))
	return ok
}

// placer walks a line without escapes, in which each member is as long as the value it
// was made from.
type placer struct {
	b []byte
	i int // the index of the next member
	f *Fields
}

func (p *placer) place(m Member, from, to int) {
	p.f.Spans[m] = Span{Start: uint32(from), End: uint32(to)}
}

// text places a string. An empty one is absent from the line.
func (p *placer) text(m Member, length int) {
	if length == 0 {
		return
	}
	from := p.i + len(memberNames[m]) + len(`"`)
	p.place(m, from, from+length)
	p.i = from + length + len(`",`)
}

func (p *placer) number(m Member) {
	from := p.i + len(memberNames[m])
	to := from + bytes.IndexByte(p.b[from:], ',')
	p.place(m, from, to)
	p.i = to + len(",")
}
