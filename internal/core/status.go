package core

import "github.com/eventsvc/eventsvc/internal/feed"

// Status is the state of the service.
type Status struct {
	feed.Status
	Backend     string // the kind of store
	Path        string // where it lies, "" if it is nowhere
	Subscribers int
}

// Backend returns the kind of store.
func (c *Core) Backend() string { return c.feed.Type().String() }

// Status returns the state of the service, without what this peer may not know.
func (c *Core) Status(who *Caller) (Status, error) {
	if _, err := c.access.Read(&who.Peer); err != nil {
		return Status{}, err
	}
	s := Status{Status: c.feed.Status(), Backend: c.Backend(), Path: c.feed.Path(), Subscribers: c.feed.Subscribers()}
	if !c.access.ReadsAll(&who.Peer) {
		s.Path, s.LastSkipped = "", ""
		if s.Fault != "" {
			s.Fault = hiddenReason
		}
	}
	return s, nil
}
