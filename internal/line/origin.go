package line

import (
	"bytes"
	"strconv"
)

// A line of a collected log ends with where the event is from, in this order and
// spelling: ,"UID":N,"Host":"…","Cursor":"…" and what else the collector adds.
// Neither a host nor a cursor has a character that JSON would escape.
const (
	originUID    = `,"UID":`
	originHost   = `,"Host":"`
	originCursor = `,"Cursor":"`
)

// unknownUID stands for an event whose user is not known.
const unknownUID = -1

// AppendOrigin appends to a line, which has no newline, where its event is from:
// the host, its user there, negative if that is not known, and the cursor that it
// has there. The line must not have an origin yet. No host or cursor may contain
// what JSON escapes.
func AppendOrigin(dst []byte, host string, uid int64, cursor string) []byte {
	dst = dst[:len(dst)-1] // without the brace
	if uid >= 0 {
		dst = append(dst, originUID...)
		dst = strconv.AppendInt(dst, uid, 10)
	}
	dst = append(append(dst, originHost...), host...)
	dst = append(append(append(dst, '"'), originCursor...), cursor...)
	return append(dst, '"', '}')
}

// Origin returns the host and the user that a line of a collected log names: what
// its collector put at its end, whatever members stand before that. A line without
// has no host, and an unknown user, which is negative.
func Origin(b []byte) (host string, uid int64) {
	at, name, _ := findOrigin(b)
	if at < 0 {
		return "", unknownUID
	}
	return string(name), uidBefore(b[:at])
}

// OriginCursor returns the host and the cursor that a line names, and the line up
// to its origin, without the brace at its end; ok is false for a line without.
func OriginCursor(b []byte) (event []byte, host, cursor string, uid int64, ok bool) {
	at, name, rest := findOrigin(b)
	if at < 0 {
		return nil, "", "", unknownUID, false
	}
	rest, found := bytes.CutPrefix(rest, []byte(originCursor))
	text, _, closed := bytes.Cut(rest, []byte{'"'})
	if !found || !closed {
		return nil, "", "", unknownUID, false
	}
	uid = uidBefore(b[:at])
	event = b[:at]
	if uid >= 0 {
		event = b[:bytes.LastIndexByte(event, ',')]
	}
	return event, string(name), string(text), uid, true
}

// findOrigin returns where the origin of a line begins with the host, its name and
// what follows it. No string of JSON contains its spelling, since there quotes are
// escaped; an object can, so the last counts.
func findOrigin(b []byte) (at int, host, rest []byte) {
	at = bytes.LastIndex(b, []byte(originHost))
	if at < 0 {
		return -1, nil, nil
	}
	rest = b[at+len(originHost):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return -1, nil, nil
	}
	return at, rest[:end], rest[end+1:]
}

// uidBefore returns the user that stands at the end of the text.
func uidBefore(b []byte) int64 {
	start := len(b)
	for start > 0 && b[start-1] >= '0' && b[start-1] <= '9' {
		start--
	}
	if start == len(b) || !bytes.HasSuffix(b[:start], []byte(originUID)) {
		return unknownUID
	}
	uid, err := strconv.ParseUint(string(b[start:]), 10, 32)
	if err != nil {
		return unknownUID
	}
	return int64(uid)
}
