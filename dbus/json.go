package dbus

import (
	"github.com/eventsvc/eventsvc/internal/eventjson"
	"github.com/eventsvc/eventsvc/internal/feed"
)

// appendStreamLine appends the line of a stream for an event: the parameters of
// a reply of Subscribe in io.podman.events. It is the feed.Encoder of streams.
func appendStreamLine(dst []byte, r *feed.Record) []byte {
	dst = append(dst, `{"event":`...)
	dst = eventjson.AppendEvent(dst, r)
	dst = append(dst, `,"cursor":`...)
	dst = eventjson.AppendCursor(dst, r.Cursor)
	return append(dst, '}', '\n')
}
