package core

import (
	"log/slog"
	"runtime/debug"

	"github.com/pkg/errors"

	"github.com/eventsvc/eventsvc/internal/access"
	"github.com/eventsvc/eventsvc/internal/limits"
	"github.com/eventsvc/eventsvc/internal/messageid"
)

// errPanicked is returned for a call whose handler panicked.
var errPanicked = errors.New("the service failed on this call; its log says more")

// Guard keeps a panic from ending more than the call in which it happened. It is safe
// for concurrent use.
type Guard struct {
	log      *slog.Logger
	throttle limits.Throttle
}

// newGuard returns a guard that logs panics, each with its stack, no more often
// than limits.PanicBurst and limits.PanicPause allow.
func newGuard(log *slog.Logger) *Guard {
	return &Guard{log: log}
}

// Run calls a function for a peer, and returns errPanicked if it panics.
func (g *Guard) Run(what string, peer *access.Peer, f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err = errPanicked
		if ok, suppressed := g.throttle.Pass(limits.PanicBurst, limits.PanicPause); ok {
			g.log.Error("a call panicked", messageid.Fault, "call", what, "uid", peer.UID, "pid", peer.PID, "panic", p,
				"stack", string(debug.Stack()), "notLogged", suppressed)
		}
	}()
	return f()
}
