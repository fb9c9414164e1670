package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventsvc/eventsvc/client"
	"github.com/eventsvc/eventsvc/events"
	"github.com/eventsvc/eventsvc/internal/filter"
)

// completeFilters completes the values of --filter.
func completeFilters(c *cobra.Command) {
	complete(c, "filter", func(typed string) []string { return completeFilter(c, typed) }, cobra.ShellCompDirectiveNoSpace)
}

// completeFilter completes the keys of filters, the values of those with a fixed set of
// values, and names from the log.
func completeFilter(c *cobra.Command, typed string) []string {
	given, value, hasValue := strings.Cut(typed, "=")
	if !hasValue {
		keys := filter.Keys()
		for i := range keys {
			keys[i] += "="
		}
		return keys
	}
	var values []string
	switch key := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(given, "+"), "!")); key {
	case "type":
		values = words(events.Types())
	case "event", "status":
		values = words(events.Statuses())
	case "health":
		values = []string{"changed", "healthy", "starting", "unhealthy"}
	default:
		if naming := namingEvents[key]; naming != nil {
			values = namesFromLog(c, value, naming)
		}
	}
	for i := range values {
		values[i] = given + "=" + values[i]
	}
	return values
}

// namingEvents maps each key whose value is a name to the events that introduce a name.
var namingEvents = map[string][]string{
	"container": {"type=container", "event=create"},
	"image":     {"type=image", "event=pull", "event=build", "event=tag"},
	"network":   {"type=network", "event=create"},
	"pod":       {"type=pod", "event=create"},
	"secret":    {"type=secret", "event=create"},
	"volume":    {"type=volume", "event=create"},
}

// A slow completion is worse than none. The latest names are enough.
const (
	completionPatience = 500 * time.Millisecond
	mostNames          = 200
)

// namesFromLog asks the service for names that begin as typed. It reports no errors,
// and opens no connection to another host, which may ask for a password.
func namesFromLog(c *cobra.Command, typed string, filters []string) []string {
	address, _ := c.Flags().GetString("address")
	service, err := client.New(address)
	if err != nil || strings.HasPrefix(service.Address(), "ssh-exec:") || strings.ContainsAny(typed, "*?") {
		return nil
	}
	defer service.Close()
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	if typed != "" {
		filters = append(slices.Clone(filters), "name="+typed+"*")
	}
	allUsers, _ := c.Flags().GetBool("all-users") // not every command has it
	r := eventsRun{flags: &eventsFlags{filters: filters, lines: mostNames, allUsers: allUsers}}
	last, _, _ := r.last(ctx, service)
	var names []string
	for i := range last {
		if name := last[i].Name; name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func words[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, word := range list {
		texts[i] = string(word)
	}
	return texts
}
