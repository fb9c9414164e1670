package line

import (
	"bytes"
	"strconv"
)

// A line of a collected log ends with the origin of its event, in this order and
// spelling: ,"UID":N,"Host":"…","Cursor":"…" and whatever else the collector adds.
// Neither a host nor a cursor contains a character that JSON would escape.
const (
	originUID    = `,"UID":`
	originHost   = `,"Host":"`
	originCursor = `,"Cursor":"`
)

// unknownUID is the user of an event whose user is not known.
const unknownUID = -1

// AppendOrigin appends the origin of its event to a line without newline: the host, the
// user there (negative: not known), and the cursor there. The line must not have an
// origin yet, and the host and cursor no character that JSON escapes.
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

// Origin returns the host and user named in a line of a collected log: those that its
// collector put at the end, whatever members are before. A line without an origin has
// no host, and an unknown user, which is negative.
func Origin(b []byte) (host string, uid int64) {
	at, name, _ := findOrigin(b)
	if at < 0 {
		return "", unknownUID
	}
	return string(name), uidBefore(b[:at])
}

// OriginCursor returns the host, cursor and user that a line names, and the line up to
// its origin, without the brace at its end; ok is false for a line without an origin.
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

// findOrigin returns the offset at which the origin of a line begins with the host, the
// host's name, and the rest. In a JSON string its spelling cannot occur, since quotes
// are escaped; in an object it can, so the last occurrence counts.
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

// uidBefore returns the user at the end of the text.
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
