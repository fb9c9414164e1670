package access

import (
	"context"
	"sync"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// turns let each user read the past limits.PastReadersPerUID times at a time:
// a reading takes memory for as long as its reader does not take what was read.
type turns struct {
	mu    sync.Mutex
	users map[uint32]*turn
}

// turn is that of one user.
type turn struct {
	slots chan struct{}
	users int // who has a slot or waits for one
}

// ReadPast waits until the peer may read the past of the store once more, on
// whichever interface; who is trusted does not wait. leave has to be called once it
// does so no longer; it may be called again. The error is that of the context.
func (p *Policy) ReadPast(ctx context.Context, peer *Peer) (leave func(), err error) {
	if p.IsTrusted(peer) {
		return func() {}, nil
	}
	t, uid := &p.past, peer.UID
	u := t.join(uid)
	select {
	case u.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-u.slots; t.part(uid, u) }), nil
	case <-ctx.Done():
		t.part(uid, u)
		return nil, ctx.Err()
	}
}

func (t *turns) join(uid uint32) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.users[uid]
	if u == nil {
		u = &turn{slots: make(chan struct{}, limits.PastReadersPerUID)}
		if t.users == nil {
			t.users = make(map[uint32]*turn)
		}
		t.users[uid] = u
	}
	u.users++
	return u
}

func (t *turns) part(uid uint32, u *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u.users--; u.users == 0 {
		delete(t.users, uid)
	}
}

// PastReaders returns how many users read the past, or wait for their turn.
func (p *Policy) PastReaders() int {
	p.past.mu.Lock()
	defer p.past.mu.Unlock()
	return len(p.past.users)
}
