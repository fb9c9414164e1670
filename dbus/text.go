package dbus

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
	"unsafe"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// noLimit allows texts of any length.
const noLimit = int(^uint(0) >> 1)

// text appends the text of a JSON string, given without its quotes, as a D-Bus string:
// valid UTF-8 without NUL, whatever is in the line. It reports whether it truncated the
// text to most bytes.
func (e *eventEncoder) text(raw []byte, escaped bool, most int) (cut bool) {
	e.Uint32(0)
	start := len(e.Buf)
	// An escape is at most six times as long as the character.
	const longest = 6
	if most < len(raw)/longest-utf8.UTFMax {
		raw, cut = raw[:(most+utf8.UTFMax)*longest], true
	}
	if escaped {
		e.Buf = jsonstring.AppendUnescaped(e.Buf, unsafe.String(unsafe.SliceData(raw), len(raw)))
	} else {
		e.Buf = append(e.Buf, raw...)
	}
	e.clean(start)
	if len(e.Buf)-start > most {
		e.Buf, cut = e.Buf[:dbuswire.WholeRunes(e.Buf, start, start+most)], true
	}
	binary.LittleEndian.PutUint32(e.Buf[start-4:], uint32(len(e.Buf)-start))
	e.Buf = append(e.Buf, 0)
	return cut
}

// clean replaces what a D-Bus string cannot contain, from start on.
func (e *eventEncoder) clean(start int) {
	text := e.Buf[start:]
	if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
		return
	}
	e.Buf = append(e.Buf[:start], dbuswire.CleanText(string(text))...)
}
