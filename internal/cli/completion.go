package cli

import (
	"strings"

	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// completeFilter completes the keys of filters, and the values of those that
// have a known set of them.
func completeFilter(typed string) []string {
	key, _, hasValue := strings.Cut(typed, "=")
	if !hasValue {
		return suffixed(filter.Keys(), "=")
	}
	prefix := key + "="
	switch strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(key, "+"), "!")) {
	case "type":
		return prefixed(prefix, typeWords())
	case "event", "status":
		return prefixed(prefix, statusWords())
	case "health":
		return prefixed(prefix, []string{"changed", "healthy", "starting", "unhealthy"})
	}
	return nil
}

func typeWords() []string {
	var words []string
	for _, t := range events.Types() {
		words = append(words, string(t))
	}
	return words
}

func statusWords() []string {
	var words []string
	for _, s := range events.Statuses() {
		words = append(words, string(s))
	}
	return words
}

func prefixed(prefix string, words []string) []string {
	for i := range words {
		words[i] = prefix + words[i]
	}
	return words
}

func suffixed(words []string, suffix string) []string {
	for i := range words {
		words[i] += suffix
	}
	return words
}
