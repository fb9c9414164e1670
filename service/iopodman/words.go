package iopodman

import (
	"slices"

	"github.com/eventsvc/eventsvc/events"
)

// The words that podman-remote 1.3 to 1.9.3 accepts; at any other it stops.
// auto-update is not among the statuses: 1.8.2 and later declare it and still
// stop at it. 1.2 stops at the type system and at loadfromarchive, refresh,
// renumber and restart, too; nothing in its calls tells it from the others.
var (
	clientTypes = []string{
		string(events.Container), string(events.Image), string(events.Pod), string(events.System), string(events.Volume),
	}
	clientStatuses = []string{
		string(events.Attach), string(events.Checkpoint), string(events.Cleanup), string(events.Commit),
		string(events.Create), string(events.Exited), string(events.Exec), string(events.Export), string(events.History),
		string(events.Import), string(events.Init), string(events.Kill), string(events.LoadFromArchive),
		string(events.Mount), string(events.Pause), string(events.Prune), string(events.Pull), string(events.Push),
		string(events.Refresh), string(events.Remove), string(events.Renumber), string(events.Restart),
		string(events.Restore), string(events.Save), string(events.Start), string(events.Stop), string(events.Sync),
		string(events.Tag), string(events.Unmount), string(events.Unpause), string(events.Untag),
	}
)

// nearest returns the word that takes the fewest single-letter edits to reach
// from the given one, "" if more than half of its letters would have to change.
func nearest(word string, words []string) string {
	const longest = 64 // the cost is the product of both lengths, and the word comes from a client
	if len(word) > longest {
		return ""
	}
	best, least := "", len(word)/2+1
	for _, candidate := range words {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	above, before := slices.Clone(row), slices.Clone(row)
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j-1]+cost, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
