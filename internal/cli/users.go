package cli

import (
	"os/user"
	"strconv"

	"github.com/eventsvc/eventsvc/internal/filter"
)

// widened reports whether the events may be of other users than the caller. The service
// decides what the filters mean; filters that it refuses print nothing.
func (f *eventsFlags) widened() bool {
	filters, err := filter.Parse(f.filters)
	return f.allUsers || err == nil && filters.ChooseUsers()
}

// maxUserNames bounds how many names are cached.
const maxUserNames = 1024

// userNames caches the names of users by uid.
type userNames map[uint32]string

// of returns the name of a user of a host, of this one if that is empty; the number if
// it has no name on this host, and ? if it is unknown.
func (names userNames) of(uid *uint32, host string) string {
	if uid == nil {
		return "?"
	}
	number := strconv.FormatUint(uint64(*uid), 10)
	if host != "" {
		return number
	}
	if name, known := names[*uid]; known {
		return name
	}
	if len(names) == maxUserNames {
		clear(names)
	}
	names[*uid] = number
	if u, err := user.LookupId(number); err == nil && u.Username != "" {
		names[*uid] = u.Username
	}
	return names[*uid]
}
