package service

import (
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
)

// appendEventFrame appends the reply of Subscribe for an event, with its NUL.
// It is the feed.Encoder of this interface.
func appendEventFrame(frame []byte, r *feed.Record) []byte {
	frame = append(frame, `{"parameters":{"event":`...)
	frame = eventjson.AppendEvent(frame, r)
	frame = append(frame, `,"cursor":`...)
	frame = eventjson.AppendCursor(frame, r.Cursor)
	return append(frame, "},\"continues\":true}\x00"...)
}
