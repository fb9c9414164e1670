package core

import (
	"sync"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// Quota limits how many things of a kind (subscriptions, streams) a user may have at a
// time.
type Quota struct {
	// Name is the kind, in the plural.
	Name string
	// Most is the limit for all users together, a part of which is reserved for trusted
	// ones; MostPerUID is the limit for each other user.
	Most, MostPerUID int
}

// quotas counts what is in use of each quota.
type quotas struct {
	mu   sync.Mutex
	used map[*Quota]*usage
}

type usage struct {
	total int
	users map[uint32]int
}

// Take counts one more until give is called. If the limit is reached, the error is a
// *Fault that says which.
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

// Used returns how many are in use in all.
func (c *Core) Used(q *Quota) int {
	c.quotas.mu.Lock()
	defer c.quotas.mu.Unlock()
	if u := c.quotas.used[q]; u != nil {
		return u.total
	}
	return 0
}
