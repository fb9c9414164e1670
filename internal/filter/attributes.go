package filter

import (
	"bytes"

	"github.com/eventsvc/eventsvc/internal/jsonscan"
	"github.com/eventsvc/eventsvc/internal/jsonstring"
)

// Labels are the attributes of an event, decoded or as they are in a line.
type Labels struct {
	// Map is the decoded attributes. If it is not nil, JSON is not used.
	Map map[string]string
	// JSON is a valid object whose members are strings, or null, or empty.
	JSON []byte
}

// Lookup returns the value of the attribute, and whether it exists.
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

// eachString calls f for the members of an object of strings, still escaped, until f
// returns false.
func eachString(object []byte, f func(name, value []byte) bool) {
	for {
		name, after, ok := jsonscan.CutString(object)
		if !ok {
			return
		}
		value, after, ok := jsonscan.CutString(after)
		if !ok || !f(name, value) {
			return
		}
		object = after
	}
}

// stringIs compares an escaped string with a plain one.
func stringIs(escaped []byte, plain string) bool {
	if bytes.IndexByte(escaped, '\\') < 0 {
		return string(escaped) == plain
	}
	return jsonstring.Unescape(escaped) == plain
}
