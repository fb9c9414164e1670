package varlinkwire

import (
	"sync/atomic"
	"time"

	"github.com/eventsvc/eventsvc/internal/limits"
)

// Bounds are the bounds of a Server that can be changed while it serves. The zero value
// of a field means its default.
type Bounds struct {
	// Connections and ConnectionsPerUID bound the connections. Open ones stay, even if
	// there are more.
	Connections       int
	ConnectionsPerUID int
	// RequestSize is the longest request in bytes, for new connections.
	RequestSize int
	// WriteTimeout is how long a client may read none of what is sent to it.
	WriteTimeout time.Duration
}

// liveBounds are the bounds that are read without a lock.
type liveBounds struct {
	requestSize  atomic.Int64
	writeTimeout atomic.Int64 // in nanoseconds
}

// SetBounds changes the bounds from now on.
func (s *Server) SetBounds(b Bounds) {
	s.bounds.requestSize.Store(int64(orDefault(b.RequestSize, limits.Request)))
	s.bounds.writeTimeout.Store(int64(orDefault(b.WriteTimeout, limits.WriteTimeout)))
	s.admission.setMost(orDefault(b.Connections, limits.Connections), orDefault(b.ConnectionsPerUID, limits.ConnectionsPerUID))
}

// setMost changes how many connections are allowed.
func (a *admission) setMost(most, mostPerUID int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.most, a.mostPerUID = most, mostPerUID
}
