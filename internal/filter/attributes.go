package filter

import (
	"bytes"

	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// Labels are the attributes of an event, decoded or as they stand in a line.
type Labels struct {
	// Map has them decoded. If it is not nil, JSON is not looked at.
	Map map[string]string
	// JSON is an object whose members are strings, null, or empty. It has to
	// be valid.
	JSON []byte
}

// Lookup returns the value of the attribute, and whether there is one.
func (l Labels) Lookup(key string) (value string, found bool) {
	if l.Map != nil || len(l.JSON) == 0 {
		value, found = l.Map[key]
		return value, found
	}
	eachString(l.JSON, func(name, text []byte) bool {
		if found = stringIs(name, key); found {
			value = jsonstring.Unescape(text)
		}
		return !found
	})
	return value, found
}

// eachString calls f for the members of an object whose members are strings, as
// they stand there, until it returns false.
func eachString(object []byte, f func(name, value []byte) bool) {
	for {
		name, after, ok := cutString(object)
		if !ok {
			return
		}
		value, after, ok := cutString(after)
		if !ok || !f(name, value) {
			return
		}
		object = after
	}
}

// cutString returns the next string, between its quotes and still escaped, and
// what is after it.
func cutString(b []byte) (content, after []byte, ok bool) {
	start := bytes.IndexByte(b, '"')
	if start < 0 {
		return nil, nil, false
	}
	b = b[start+1:]
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[:i], b[i+1:], true
		}
	}
	return nil, nil, false
}

// stringIs compares an escaped string with a plain one.
func stringIs(escaped []byte, plain string) bool {
	if bytes.IndexByte(escaped, '\\') < 0 {
		return string(escaped) == plain
	}
	return jsonstring.Unescape(escaped) == plain
}
