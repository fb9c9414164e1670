package varlinkwire

import (
	"fmt"
	"sync"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// admission counts what connections take, and decides which are refused.
type admission struct {
	most       int // connections in all
	mostPerUID int

	mu    sync.Mutex
	total int
	users map[uint32]*usage // of users that are not trusted
	full  bool              // the bound of all has been reached, and that was logged

	admitted, refused uint64 // since the service began
}

// usage is what one user takes.
type usage struct {
	conns  int
	memory int  // of long requests, in bytes
	full   bool // the user's bound has been reached, and that was logged
}

// refusal is why a client gets no connection.
type refusal struct {
	reason string // for the client
	news   bool   // it is the first since the bound was last half free
}

// admit counts one more connection, or returns why it is refused.
func (a *admission) admit(uid uint32, trusted bool) *refusal {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused++ // unless the end is reached
	most := a.most
	if !trusted {
		most -= min(limits.ReservedConnections, most/2)
	}
	if a.total >= most {
		news := !a.full
		a.full = true
		return &refusal{fmt.Sprintf("there are too many connections to the service (%d); try again later", a.total), news}
	}
	if !trusted {
		u := a.user(uid)
		if u.conns >= a.mostPerUID {
			news := !u.full
			u.full = true
			return &refusal{fmt.Sprintf("your user has too many connections to the service (%d); close some", u.conns), news}
		}
		u.conns++
	}
	a.refused--
	a.admitted++
	a.total++
	return nil
}

// Connections returns how many connections are open, and how many were admitted and
// refused since the service began.
func (s *Server) Connections() (open int, admitted, refused uint64) {
	a := &s.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total, a.admitted, a.refused
}

// leave counts one connection less. Reaching a bound is logged again once half of it
// has been free.
func (a *admission) leave(uid uint32, trusted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.total <= a.most/2 {
		a.full = false
	}
	if trusted {
		return
	}
	u := a.users[uid]
	u.conns--
	if u.conns <= a.mostPerUID/2 {
		u.full = false
	}
	if u.conns == 0 {
		delete(a.users, uid)
	}
}

// reserve counts memory that a user's long requests take, if that much is allowed; a
// negative number releases it. The user has a connection.
func (a *admission) reserve(uid uint32, n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.users[uid]
	if u == nil || n > 0 && u.memory+n > limits.RequestMemoryPerUID {
		return false
	}
	u.memory += n
	return true
}

func (a *admission) user(uid uint32) *usage {
	u := a.users[uid]
	if u == nil {
		u = new(usage)
		a.users[uid] = u
	}
	return u
}
