package core

import (
	"context"
	"sync"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/feed"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// pasts bounds the readings of the past for each user: how many there are, how many of
// them are reading from the store, and how many bytes they hold while their clients do
// not take what was read.
type pasts struct {
	mu    sync.Mutex
	users map[uint32]*userPast
}

// userPast is what the readings of one user use. It is guarded by pasts.mu.
type userPast struct {
	known   int           // readings that use or wait for something
	turns   int           // readings that have entered
	reading int           // of these, those that are reading from the store
	held    int           // bytes
	changed chan struct{} // closed when some of that is released
}

// past is the share of one reading. It implements feed.Past.
type past struct {
	all     *pasts
	uid     uint32
	user    *userPast // nil: it has not entered
	reading bool
	held    int
}

// newPast returns the share of a peer's reading. Trusted peers are not bounded.
func (c *Core) newPast(peer *access.Peer) feed.Past {
	if c.access.IsTrusted(peer) {
		return feed.Unbounded
	}
	return &past{all: &c.past, uid: c.access.Account(peer.UID)}
}

// Enter waits until the user has few enough other readings.
func (p *past) Enter(ctx context.Context) error {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	if p.user != nil {
		return nil
	}
	u := p.all.users[p.uid]
	if u == nil {
		u = &userPast{changed: make(chan struct{})}
		if p.all.users == nil {
			p.all.users = make(map[uint32]*userPast)
		}
		p.all.users[p.uid] = u
	}
	u.known++
	if err := p.all.wait(ctx, u, func() bool { return u.turns < limits.PastReadersPerUID }); err != nil {
		p.all.forget(p.uid, u)
		return err
	}
	u.turns++
	p.user = u
	return nil
}

// Begin waits until there is room for one batch.
func (p *past) Begin(ctx context.Context, kept int) error {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	u := p.user
	p.set(false, kept)
	room := func() bool {
		return u.reading < limits.PastReadingPerUID && u.held-p.held+limits.PastBatch <= limits.PastMemoryPerUID
	}
	if err := p.all.wait(ctx, u, room); err != nil {
		return err
	}
	p.set(true, limits.PastBatch)
	return nil
}

// Hold records how much was read.
func (p *past) Hold(bytes int) {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	p.set(false, bytes)
}

// Leave releases everything.
func (p *past) Leave() {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	if p.user == nil {
		return
	}
	p.set(false, 0)
	p.user.turns--
	p.user.wake()
	p.all.forget(p.uid, p.user)
	p.user = nil
}

// set changes what the reading uses.
func (p *past) set(reading bool, held int) {
	u := p.user
	if p.reading {
		u.reading--
	}
	if reading {
		u.reading++
	}
	u.held += held - p.held
	p.reading, p.held = reading, held
	u.wake()
}

func (u *userPast) wake() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// wait waits for a condition that only a release can make true. It is called with the
// lock held, and unlocks it while waiting.
func (a *pasts) wait(ctx context.Context, u *userPast, holds func() bool) error {
	for !holds() {
		changed := u.changed
		a.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		a.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *pasts) forget(uid uint32, u *userPast) {
	if u.known--; u.known == 0 {
		delete(a.users, uid)
	}
}

// PastReaders returns how many users are reading the past, or wait to.
func (c *Core) PastReaders() int {
	c.past.mu.Lock()
	defer c.past.mu.Unlock()
	return len(c.past.users)
}
