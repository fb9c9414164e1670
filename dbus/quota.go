package dbus

import (
	"sync"

	"github.com/eventsvc/eventsvc/internal/dbuswire"
	"github.com/eventsvc/eventsvc/internal/limits"
)

// quotas count what lasts longer than a call.
type quotas struct {
	activity      Activity
	refused       func(sender, reason string)
	mu            sync.Mutex
	subscriptions quota
	streams       quota
}

// quota counts one kind of thing, in all and for each user.
type quota struct {
	total int
	users map[uint32]int
}

// take counts one more, or says why there can be no more. The bound for one
// user does not apply to those who are trusted, and a part of all is theirs.
func (q *quotas) take(which *quota, most, mostPerUID int, p *dbuswire.Peer, trusted bool, what string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case which.total >= most || !trusted && which.total >= most-most/limits.TrustedShare:
		return q.refuse(p, "there are too many "+what+" in all; try again later")
	case !trusted && which.users[p.UID] >= mostPerUID:
		return q.refuse(p, "your user has too many "+what+"; end some")
	}
	which.total++
	if which.users == nil {
		which.users = make(map[uint32]int)
	}
	which.users[p.UID]++
	q.activity.Begin()
	return nil
}

func (q *quotas) refuse(p *dbuswire.Peer, reason string) error {
	q.refused(p.Name(), reason)
	return &dbuswire.Error{Name: dbuswire.ErrLimitsExceeded, Message: reason}
}

// give counts one less.
func (q *quotas) give(which *quota, uid uint32) {
	defer q.activity.End()
	q.mu.Lock()
	defer q.mu.Unlock()
	which.total--
	if which.users[uid]--; which.users[uid] == 0 {
		delete(which.users, uid)
	}
}

func (s *Server) takeSubscription(p *dbuswire.Peer) error {
	return s.quotas.take(&s.quotas.subscriptions, limits.Subscriptions, limits.SubscriptionsPerUID, p, s.access.IsTrusted(who(p)), "subscriptions")
}

func (s *Server) takeStream(p *dbuswire.Peer) error {
	return s.quotas.take(&s.quotas.streams, limits.Streams, limits.StreamsPerUID, p, s.access.IsTrusted(who(p)), "streams")
}
