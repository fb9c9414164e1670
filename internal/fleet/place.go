package fleet

import (
	"bytes"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// place is where a line comes from: which stream, identified by its creation time, and
// the sequence of its message there. The rest of the line is the message itself, so the
// line proves the place. It is the last member of a line:
//
//	,"Place":"NANOSECONDS.SEQUENCE"
type place struct {
	created int64 // nanoseconds since the epoch
	seq     uint64
}

const placeMember = `,"Place":"`

// appendPlace appends a message with its place, and a newline.
func appendPlace(dst, message []byte, p place) []byte {
	dst = append(append(dst, message[:len(message)-1]...), placeMember...)
	dst = strconv.AppendInt(dst, p.created, 36)
	dst = append(dst, '.')
	dst = strconv.AppendUint(dst, p.seq, 10)
	return append(dst, "\"}\n"...)
}

// cutPlace splits a line into the message, without the brace at its end, and the place.
// ok is false for a line of another source.
func cutPlace(text []byte) (message []byte, p place, ok bool) {
	at := bytes.LastIndex(text, []byte(placeMember))
	if at < 0 {
		return nil, p, false
	}
	value, found := bytes.CutSuffix(text[at+len(placeMember):], []byte(`"}`))
	created, seq, dotted := bytes.Cut(value, []byte{'.'})
	var err, err2 error
	p.created, err = strconv.ParseInt(string(created), 36, 64)
	p.seq, err2 = strconv.ParseUint(string(seq), 10, 64)
	return text[:at], p, found && dotted && err == nil && err2 == nil
}

// eventKey identifies an event of a host, by its cursor there.
func eventKey(host, cursor string) uint64 { return xxhash.Sum64String(host + "/" + cursor) }
