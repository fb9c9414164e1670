package iopodman

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/core"
	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/nearest"
)

// The filter keys of Podman 1.x, which had no others up to 1.9.3: labels came with 2.0.
// uid is added by this service: these calls have no other way to ask for more than the
// caller's own events.
const (
	keyType   = "type"
	keyStatus = "status"
	keyEvent  = "event" // same as status
	keyVolume = "volume"
	keyUID    = "uid"
)

const otherKeys = "keys that podman-remote 1.x has not are those of eventsvc events and the interface io.podman.events"

var filterKeys = []string{"container", keyEvent, "image", "pod", keyStatus, keyType, keyUID, keyVolume}

// parseFilters returns the filters of a call, restricted to events that an old client
// accepts. The error is a *filter.Error.
func parseFilters(filters []string) (*filter.Filters, error) {
	if err := core.CheckFilters(filters); err != nil {
		return nil, err
	}
	var objects, types, statuses []string
	for _, text := range filters {
		key, value, reason := parseFilter(text)
		if reason != "" {
			return nil, &filter.Error{Filter: text, Reason: reason}
		}
		switch key {
		case keyType:
			types = append(types, value)
		case keyStatus:
			statuses = append(statuses, value)
		default:
			objects = append(objects, key+"="+value)
		}
	}
	return filter.Parse(slices.Concat(objects, orAll(keyType, types, clientTypes), orAll(keyStatus, statuses, clientStatuses)))
}

// orAll returns filters for the chosen words, or for all words if none was chosen:
// events with other words must not reach the client.
func orAll(key string, chosen, all []string) []string {
	if len(chosen) == 0 {
		chosen = all
	}
	filters := make([]string, len(chosen))
	for i, word := range chosen {
		filters[i] = key + "=" + word
	}
	return filters
}

// parseFilter parses one filter. The reason is empty if the filter is valid.
func parseFilter(text string) (key, value, reason string) {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return "", "", "it has no '='; give key=value, such as container=web"
	}
	given := key
	if key = strings.ToLower(key); !slices.Contains(filterKeys, key) {
		return "", "", unknownKey(given)
	}
	switch {
	case value == "":
		return "", "", "it has no value; give " + key + "=VALUE"
	case key == keyType:
		_, unknown := events.StringToType(value)
		return key, value, checkWord("event type", value, clientTypes, unknown == nil)
	case key == keyStatus || key == keyEvent:
		status := filter.Status(value)
		if status == 0 {
			if hint := filter.ForeignStatus(value); hint != "" {
				return "", "", hint + " (" + otherKeys + ")"
			}
		} else if !slices.Contains(clientStatuses, value) {
			value = status.String()
		}
		return keyStatus, value, checkWord("event status", value, clientStatuses, status != 0)
	}
	return key, value, ""
}

func unknownKey(key string) string {
	reason := "unknown key " + strconv.Quote(key)
	if near := nearest.Word(strings.ToLower(key), filterKeys); near != "" {
		reason += ", did you mean " + strconv.Quote(near) + "?"
	}
	return reason + " (keys for podman-remote 1.x are " + strings.Join(filterKeys, ", ") + ")"
}

// checkWord refuses a word with which the client cannot be sent any event: it would
// wait for ever. known reports whether newer clients know the word.
func checkWord(kind, word string, words []string, known bool) string {
	if slices.Contains(words, word) {
		return ""
	}
	if known {
		return "podman-remote 1.x does not know the " + kind + " " + strconv.Quote(word) +
			" and stops at it, so such events are not sent to it; use eventsvc events, or the interface io.podman.events"
	}
	return (&events.WordError{Kind: kind, Word: word, Nearest: nearest.Word(word, words)}).Error()
}
