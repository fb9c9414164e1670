package iopodman

import (
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/line"
)

// blankFrame is the reply that a client takes for the clean end of a stream, and for
// the answer that there is no event.
const blankFrame = `{"parameters":{"events":{"id":"","image":"","name":"","status":"","time":"","type":""}}}` + "\x00"

// appendEventFrame appends the reply for an event that others follow, with its NUL. It
// is the feed.Encoder of this interface.
func appendEventFrame(frame []byte, r *feed.Record) []byte {
	return append(appendEvent(frame, r), ",\"continues\":true}\x00"...)
}

// appendOnlyFrame appends the only reply to a call without 'more'.
func appendOnlyFrame(frame []byte, r *feed.Record) []byte {
	return append(appendEvent(frame, r), "}\x00"...)
}

// appendEvent appends a reply up to the end of its parameters. Every member is sent as
// it is in the line: strings are already escaped, and the time, in whatever zone, is
// RFC 3339 with at most nine digits of fraction, or the store would not have accepted
// the line as it is.
func appendEvent(frame []byte, r *feed.Record) []byte {
	fields, text := &r.Fields, r.Line
	frame = append(append(frame, `{"parameters":{"events":{"id":"`...), fields.Raw(text, line.ID)...)
	frame = append(append(frame, `","image":"`...), fields.Raw(text, line.Image)...)
	frame = append(append(frame, `","name":"`...), fields.Raw(text, line.Name)...)
	frame = append(append(frame, `","status":"`...), fields.Raw(text, line.StatusWord)...)
	frame = append(append(frame, `","time":"`...), fields.Raw(text, line.TimeText)...)
	frame = append(append(frame, `","type":"`...), fields.Raw(text, line.TypeWord)...)
	return append(frame, `"}}`...)
}
