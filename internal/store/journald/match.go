//go:build systemd && cgo

package journald

import (
	"context"
	"strconv"
	"strings"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/filter"
	"github.com/eventsvc/eventsvc/internal/sdjournal"
	"github.com/eventsvc/eventsvc/internal/store"
)

// ofPodman matches everything that can be an event.
var ofPodman = sdjournal.Matches{{{"SYSLOG_IDENTIFIER=podman"}}}

// ranks orders fields by how few entries match, the fewest first.
var ranks = map[string]int{
	"PODMAN_ID": 1, "PODMAN_NAME": 2, "PODMAN_NETWORK_NAME": 2, "PODMAN_IMAGE": 3, "PODMAN_EXIT_CODE": 4,
	"PODMAN_HEALTH_STATUS": 4, "PODMAN_EVENT": 5, "PODMAN_TYPE": 6,
}

// choose returns the group that leaves the fewest entries. Only that is matched in the
// journal: each further group costs a search at every entry, and reading an unnecessary
// entry costs less.
func choose(all sdjournal.Matches) sdjournal.Matches {
	best, least := -1, len(ranks)
	for i, group := range all {
		rank := 0
		for _, alternative := range group {
			field, _, _ := strings.Cut(alternative[0], "=")
			if r, ok := ranks[field]; ok {
				rank = max(rank, r)
			} else {
				rank = len(ranks) // other hosts have those, too
			}
		}
		if rank < least {
			best, least = i, rank
		}
	}
	if best < 0 {
		return append(append(sdjournal.Matches(nil), ofPodman...), all...)
	}
	return all[best : best+1]
}

// The bounds of searches by prefix.
const (
	maxAlternatives = 64      // values that are matched; beyond it all entries are read
	maxValues       = 1 << 18 // values that are listed
)

// push turns a query into matches of the journal, which let through at least what the
// query does. none: nothing can match. lookedUp: the matches depend on the values in
// the journal when they were made, so new entries may need others.
//
// beginning lists the values of a field with a prefix, and allKnown reports whether
// every entry has a user.
func push(q *store.Query, beginning lister, allKnown func() (bool, error), directory bool) (all sdjournal.Matches, none, lookedUp bool, err error) {
	p := pusher{list: beginning, directory: directory}
	if q.UID != store.AnyUID {
		known := true
		if q.UnknownUser { // the journal cannot match a missing field
			p.lookedUp = true
			if known, err = allKnown(); err != nil {
				return nil, false, false, err
			}
		}
		if known {
			p.addWords("_UID", []string{strconv.FormatInt(q.UID, 10)})
		}
	}
	decided := map[string]bool{}
	for _, group := range q.Filters.Terms() {
		decided[group[0].Key] = true
		if err := p.add(group); err != nil {
			return nil, false, false, err
		}
	}
	types, statuses := q.Filters.Passing()
	if !decided["type"] {
		p.addPassing("PODMAN_TYPE", filter.Types(), types)
	}
	if !decided["status"] {
		p.addPassing("PODMAN_EVENT", filter.Statuses(), statuses)
	}
	return p.all, p.none, p.lookedUp, nil
}

// pusher is the state of one push.
type pusher struct {
	list      lister
	directory bool
	all       sdjournal.Matches
	none      bool
	lookedUp  bool
}

// addPassing adds a group for the words of a type or status whose codes pass, unless
// unknown words, whose code is 0, pass, too.
func (p *pusher) addPassing(field string, words []string, passing uint64) {
	if passing&1 != 0 {
		return
	}
	var some []string
	for i, word := range words {
		if passing>>(i+1)&1 != 0 {
			some = append(some, word)
		}
	}
	p.addWords(field, some)
}

// addWords adds a group for one field. Without values nothing can match.
func (p *pusher) addWords(field string, values []string) {
	var alternative []string
	for _, value := range values {
		alternative = append(alternative, field+"="+value)
	}
	if p.none = p.none || len(values) == 0; len(values) > 0 {
		p.all = append(p.all, [][]string{alternative})
	}
}

// lookup is a field that has what a filter selects: the same value, or for a prefix one
// that begins with it.
type lookup struct {
	field  string
	prefix prefix
}

// prefix says when the value of a filter is a prefix.
type prefix uint8

const (
	never  prefix = iota
	asTerm        // of a pattern (Term.Begins)
	always
)

// lookups are the fields for each key of a filter.
var lookups = map[string][]lookup{
	"type": {{"PODMAN_TYPE", never}}, "status": {{"PODMAN_EVENT", never}}, "health": {{"PODMAN_HEALTH_STATUS", never}},
	"exit-code": {{"PODMAN_EXIT_CODE", never}}, "uid": {{"_UID", never}}, "host": {{"_HOSTNAME", never}},
	"id": {{"PODMAN_ID", always}}, "volume": {{"PODMAN_NAME", always}}, "ancestor": {{"PODMAN_IMAGE", asTerm}},
	"name":     {{"PODMAN_NAME", asTerm}, {"PODMAN_NETWORK_NAME", asTerm}},
	"network":  {{"PODMAN_NETWORK_NAME", asTerm}, {"PODMAN_NAME", asTerm}, {"PODMAN_ID", always}},
	"artifact": nameOrID, "container": nameOrID, "image": nameOrID, "machine": nameOrID, "pod": nameOrID, "secret": nameOrID,
}

var nameOrID = []lookup{{"PODMAN_NAME", asTerm}, {"PODMAN_ID", always}}

// add adds the filters of one key, if the journal can match all of them.
func (p *pusher) add(terms []filter.Term) error {
	byField := make(map[string][]string)
	for _, t := range terms {
		fields, known := lookups[t.Key]
		// An event has U+FFFD where the entry has bytes that are not valid text.
		if !known || strings.Contains(t.Value, "\ufffd") || t.Key == "host" && (!p.directory || t.Begins) {
			return nil
		}
		if uid, err := strconv.ParseUint(t.Value, 10, 32); t.Key == "uid" && err == nil {
			t.Value = strconv.FormatUint(uid, 10) // as in the journal: a filter may have leading zeros
		}
		for _, in := range fields {
			values := []string{t.Value}
			if in.prefix == always || in.prefix == asTerm && t.Begins {
				var ok bool
				var err error
				if values, ok, err = p.beginning(in.field, t.Value); err != nil || !ok {
					return err
				}
			}
			for _, value := range values {
				byField[in.field] = append(byField[in.field], in.field+"="+value)
			}
		}
	}
	var group [][]string
	for _, field := range []string{
		"PODMAN_TYPE", "PODMAN_EVENT", "PODMAN_NAME", "PODMAN_NETWORK_NAME", "PODMAN_ID", "PODMAN_IMAGE", "PODMAN_HEALTH_STATUS",
		"PODMAN_EXIT_CODE", "_UID", "_HOSTNAME",
	} {
		if alternative := byField[field]; alternative != nil {
			group = append(group, alternative)
		}
	}
	if group == nil {
		p.none = true
		return nil
	}
	p.all = append(p.all, group)
	return nil
}

// idLength is the length of a libpod ID. Nothing is longer.
const idLength = 64

// beginning returns the values of a field with a prefix. The journal cannot match a
// prefix, but it can list the existing values. ok is false if there are too many.
func (p *pusher) beginning(field, prefix string) (values []string, ok bool, err error) {
	if field == "PODMAN_ID" && len(prefix) == idLength && strings.Trim(prefix, "0123456789abcdef") == "" {
		return []string{prefix}, true, nil
	}
	p.lookedUp = true
	return p.list(field, prefix)
}

// lister returns the values of a field with a prefix; ok is false if there are too
// many.
type lister func(field, prefix string) (values []string, ok bool, err error)

// listed returns the lister for a reading: the index of this host's journal, or the
// journal itself, which is slower.
func (r *reading) listed(ctx context.Context, h *sdjournal.Reader) lister {
	if r.s.ofHost() {
		return func(field, prefix string) ([]string, bool, error) {
			if err := r.extendIndex(ctx); err != nil {
				return nil, false, err
			}
			values, ok := r.s.index.beginning(field, prefix, maxAlternatives)
			return values, ok, nil
		}
	}
	return func(field, prefix string) (values []string, ok bool, err error) {
		seen, ok := 0, true
		err = h.Unique(field, func(value []byte) bool {
			if seen++; seen > maxValues || len(values) > maxAlternatives {
				ok = false
				return false
			}
			if strings.HasPrefix(string(value), prefix) {
				values = append(values, string(value))
			}
			return true
		})
		if errors.Is(err, sdjournal.ErrUnlisted) {
			return nil, false, nil
		}
		return values, ok, err
	}
}
