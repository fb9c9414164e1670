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
	key, value, hasValue := strings.Cut(typed, "=")
	if !hasValue {
		return suffixed(filter.Keys(), "=")
	}
	prefix := key + "="
	key = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(key, "+"), "!"))
	switch key {
	case "type":
		return prefixed(prefix, typeWords())
	case "event", "status":
		return prefixed(prefix, statusWords())
	case "health":
		return prefixed(prefix, []string{"changed", "healthy", "starting", "unhealthy"})
	}
	if naming := namingEvents[key]; naming != nil {
		return prefixed(prefix, namesFromLog(c, value, naming))
	}
	return nil
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
