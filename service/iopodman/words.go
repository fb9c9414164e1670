package iopodman

import "github.com/eventsvc/eventsvc/events"

// The words that podman-remote 1.3 to 1.9.3 accepts; at any other it stops.
// auto-update is not among the statuses: 1.8.2 and later declare it and still
// stop at it. 1.2 stops at the type system and at loadfromarchive, refresh,
// renumber and restart, too; nothing in its calls distinguishes it from the others.
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
