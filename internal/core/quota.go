package core

import (
	"sync"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Quota is a kind of thing that a user may have some of at a time, for as long as
// it lasts: a subscription, a stream.
type Quota struct {
	// Name is what there are too many of, in the plural.
	Name string
	// Most is how many there may be in all, of which a part is for those who are
	// trusted, and MostPerUID how many of one other user.
	Most, MostPerUID int
}

// quotas count what is had of each.
type quotas struct {
	mu   sync.Mutex
	used map[*Quota]*usage
}

type usage struct {
	total int
	users map[uint32]int
}

// Take counts one more, until give is called, or returns a *Fault that says why
// there can be no more.
func (c *Core) Take(q *Quota, peer *access.Peer) (give func(), err error) {
	trusted, uid := c.access.IsTrusted(peer), c.access.Account(peer.UID)
	c.quotas.mu.Lock()
	defer c.quotas.mu.Unlock()
	u := c.quotas.used[q]
	if u == nil {
		u = &usage{users: make(map[uint32]int)}
		if c.quotas.used == nil {
			c.quotas.used = make(map[*Quota]*usage)
		}
		c.quotas.used[q] = u
	}
	switch {
	case u.total >= q.Most || !trusted && u.total >= q.Most-q.Most/limits.TrustedShare:
		return nil, &Fault{Kind: LimitsExceeded, Message: "there are too many " + q.Name + " in all; try again later"}
	case !trusted && u.users[uid] >= q.MostPerUID:
		return nil, &Fault{Kind: LimitsExceeded, Message: "your user has too many " + q.Name + "; end some"}
	}
	u.total++
	u.users[uid]++
	return sync.OnceFunc(func() {
		c.quotas.mu.Lock()
		defer c.quotas.mu.Unlock()
		u.total--
		if u.users[uid]--; u.users[uid] == 0 {
			delete(u.users, uid)
		}
	}), nil
}

// Used returns how many there are in all.
func (c *Core) Used(q *Quota) int {
	c.quotas.mu.Lock()
	defer c.quotas.mu.Unlock()
	if u := c.quotas.used[q]; u != nil {
		return u.total
	}
	return 0
}
