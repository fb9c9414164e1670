package core

import (
	"fmt"
	"strings"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// parseFilters parses filters within the bounds of CheckFilters. The error is a
// *filter.Error.
func parseFilters(filters []string) (*filter.Filters, error) {
	if err := CheckFilters(filters); err != nil {
		return nil, err
	}
	return filter.Parse(filters)
}

// CheckFilters bounds the filters, against which every event is matched. The error is a
// *filter.Error. Of a filter that is too long it has the beginning.
func CheckFilters(filters []string) error {
	total := 0
	for i, text := range filters {
		total += len(text)
		reason := ""
		switch {
		case i == limits.Filters:
			reason = fmt.Sprintf("there are too many filters; give at most %d", limits.Filters)
		case len(text) > limits.FilterLength:
			reason = fmt.Sprintf("it is too long; give at most %d bytes", limits.FilterLength)
		case total > limits.FiltersLength:
			reason = fmt.Sprintf("the filters are too long together; give at most %d bytes", limits.FiltersLength)
		}
		if reason != "" {
			return &filter.Error{Filter: cut(text, limits.FilterLength), Reason: reason}
		}
	}
	return nil
}

// cut shortens a text of a call that its reply repeats.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
